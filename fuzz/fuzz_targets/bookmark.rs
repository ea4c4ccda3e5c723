//! A bookmark that is read prints to a text that reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealane_fuzz::bookmark::check(bytes));
