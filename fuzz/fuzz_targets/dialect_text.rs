//! Any text as a dialect.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::dialect::fuzz_dialect_text(data));
