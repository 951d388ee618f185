//! Any bytes as an input of messages in any form, captures among them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::tools::input::fuzz_tools_input(data));
