//! Pure logic, driven by data files: compiled into the library's own test binary, because what it tests is private.

mod intent;
