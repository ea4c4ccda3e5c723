//! One decision by itself, for the crate's own benches (feature `bench`): no part of what a version promises.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
//! assert!(sealane::bench::decide(&db, "SELECT 1").is_some());
//! # Ok(())
//! # }
//! ```

use crate::{connection::RoutedConnection, dispatch::decide_once};

/// One decision: intent, route and lease. What is returned gives the lease back when it is dropped.
#[inline]
pub fn decide(db: &RoutedConnection, sql: &str) -> Option<impl Sized + use<>> {
    let shared = db.shared().ok()?;
    decide_once(shared, db.overrides(), sql)
}
