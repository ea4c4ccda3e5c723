//! The command line of sealane.
fn main() {}
