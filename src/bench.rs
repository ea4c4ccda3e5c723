//! For the benches of this crate, and for nobody else: what they measure has no other name outside.

use crate::connection::RoutedConnection;

/// One decision: intent, route and lease. What is returned gives the lease back when it is dropped.
#[inline]
pub fn decide(db: &RoutedConnection, sql: &str) -> impl Sized + use<> {
    db.decide_once(sql)
}
