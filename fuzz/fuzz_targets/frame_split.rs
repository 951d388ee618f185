//! Any stream, in pieces of any size, under each framing.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| iso8583d::framing::fuzz_frame_split(data));
