//! Bytes as the choices of a simulation.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| blackstart_fuzz::case::check_choices(bytes));
