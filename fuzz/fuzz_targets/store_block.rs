//! Bytes as a block of a table.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::store_bytes::check_blocks(bytes));
