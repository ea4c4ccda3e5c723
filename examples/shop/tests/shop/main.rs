//! The shop as its visitors have it: the program itself, by HTTP and in a browser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so by its panic"
)]

mod browser;
mod chromium;
mod cluster;
mod file;
mod running;
