//! Any bytes as a specification of pyiso8583.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::tools::fuzz_import_pyiso8583(data));
