//! A store of which bytes were changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::store_files::check(bytes));
