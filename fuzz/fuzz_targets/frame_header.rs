//! Bytes as the header of a frame.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::frame::check(bytes));
