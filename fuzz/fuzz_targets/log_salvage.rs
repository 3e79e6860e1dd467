//! Bytes as the shape of a damaged log, which is salvaged.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::opening::check_salvage(bytes));
