//! No text shows the password of a node's URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealane_fuzz::url::check(bytes));
