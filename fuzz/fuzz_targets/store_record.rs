//! Bytes as a record of a store's log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::store_bytes::check_records(bytes));
