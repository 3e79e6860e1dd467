//! Bytes as the text of a case.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::case::check_text(bytes));
