//! Any bytes as a specification of moov's.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::tools::fuzz_import_moov(data));
