//! The seam to the crate: the only place that names what is measured.
//!
//! STAND-IN: a bare connection takes the router's part until the router exists; then `Ours` is
//! `sealane::RoutedConnection`, and the three functions call its `connect`, its `from_connections` and
//! `sealane::bench::decide`.

use sea_orm::DatabaseConnection;

use crate::Result;
use crate::servers::{self, Servers};

/// Printed before anything else, so that nobody takes these figures for the router's.
pub(crate) const NOTE: Option<&str> =
    Some("STAND-IN: `routed` is a bare connection and a decision does nothing");

/// What is compared with a bare connection.
pub(crate) type Ours = DatabaseConnection;

/// Connected to the primary and one replica, with the crate's own defaults.
///
/// One replica, since reads over two would use twice the pool of the bare arm.
pub(crate) async fn connect(servers: &Servers) -> Result<Ours> {
    servers::bare(servers).await
}

/// Over connections that exist already.
pub(crate) fn over(primary: DatabaseConnection, replicas: Vec<DatabaseConnection>) -> Ours {
    drop(replicas);
    primary
}

/// One decision: intent, route and lease; what is returned gives the lease back when it is dropped.
#[inline]
pub(crate) fn decide<'a>(db: &'a Ours, sql: &'a str) -> impl Sized + use<'a> {
    (db, sql)
}
