//! Bytes as the shape of a damaged log, which recovery is to judge.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::recovery::check(bytes));
