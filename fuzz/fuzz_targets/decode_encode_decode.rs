//! Any bytes as a message of each dialect, and back.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::codec::fuzz_decode_encode_decode(data));
