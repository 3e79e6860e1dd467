//! Bytes as the payload of a commit.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::records::check(bytes));
