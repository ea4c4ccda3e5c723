//! A write is never called a read.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealane_fuzz::intent::check(bytes));
