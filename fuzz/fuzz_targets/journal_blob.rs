//! Any bytes as the records of a commit.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::record::fuzz_records(data));
