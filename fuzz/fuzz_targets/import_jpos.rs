//! Any bytes as a packager of jPOS.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::tools::fuzz_import_jpos(data));
