//! Any bytes as a merchant's file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::clearing::claim::fuzz_claims(data));
