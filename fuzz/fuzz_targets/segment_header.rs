//! Bytes as the header of a segment.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::header::check(bytes));
