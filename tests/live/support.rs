//! What the tests of this folder share, and no test: clusters and handles ([`fixture`], [`place`]), what the crate says
//! of itself ([`heard`]), servers that fail ([`faults`]) and crash ([`crash`]), and a name with several servers behind it ([`balancer`]). What
//! only one module's tests need stands in the folder of that module.

pub mod balancer;
pub mod crash;
pub mod faults;
pub mod fixture;
pub mod heard;
pub mod place;
