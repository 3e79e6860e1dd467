//! Bytes as the history of a log and what damaged it, which is salvaged.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::salvage::check(bytes));
