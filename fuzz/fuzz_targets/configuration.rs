//! What is wrong with an environment is an error that names a variable and shows no password.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealane_fuzz::configuration::check(bytes));
