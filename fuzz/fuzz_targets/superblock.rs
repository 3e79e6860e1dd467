//! The superblock.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::superblock::check(bytes));
