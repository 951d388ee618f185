//! Any bytes told and compared as messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::tools::fuzz_messages_shown(data));
