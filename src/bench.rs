//! One decision by itself, for the crate's own benches (feature `bench`): no part of what a version promises.

use crate::connection::RoutedConnection;

/// One decision: intent, route and lease. What is returned gives the lease back when it is dropped.
#[inline]
pub fn decide(db: &RoutedConnection, sql: &str) -> impl Sized + use<> {
    db.decide_once(sql)
}
