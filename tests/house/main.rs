//! The house's own rules, read from the repository: what its pages say of its files, and what its files look like.
//!
//! Not in the published package, which has neither all pages nor all tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test's failure is its report"
)]

mod comments;
mod glossary;
mod guide;
mod imports;
mod links;
mod rules;
mod tasks;
