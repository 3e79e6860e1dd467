//! Operations on a store, beside an ordered map.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::store_ops::check(bytes));
