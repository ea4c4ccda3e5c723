//! The routed handle on SQLite: the whole drop-in surface against a real file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]

mod adopted;
mod again;
mod closures;
mod concrete;
mod drop_in;
mod errors;
mod fixture;
mod memory;
mod names;
mod pauses;
mod read_only;
mod read_only_default;
mod routing;
mod schema;
mod shadow;
#[cfg(all(feature = "testing", feature = "mock", feature = "postgres"))]
mod simulation;
mod streams;
mod templates;
#[cfg(feature = "testing")]
mod testing;
mod transactions;
