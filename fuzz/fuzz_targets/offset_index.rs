//! Bytes as an offset index.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::index::check(bytes));
