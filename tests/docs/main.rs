//! What users read and see: errors for bad input, no secret anywhere, the house's own rules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]
