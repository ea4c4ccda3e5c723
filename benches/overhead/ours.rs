//! The seam to the crate: the only place that names what is measured.

use std::time::{Duration, Instant};

use sea_orm::DatabaseConnection;
use sealane::{Role, RoutedConnection};

use crate::Result;
use crate::servers::Servers;

/// What is compared with a bare connection.
pub(crate) type Ours = RoutedConnection;

/// Connected to the primary and one replica, with the crate's own defaults.
///
/// One replica, since reads over two would use twice the pool of the bare arm.
pub(crate) async fn connect(servers: &Servers) -> Result<Ours> {
    let replica = servers.replicas.first().cloned();
    let db = RoutedConnection::builder()
        .primary(servers.primary.clone())
        .replicas(replica)
        .connect()
        .await?;
    Ok(db)
}

/// Over connections that exist already, once what is proven to be a read goes to a replica: the catalog is read in the
/// background.
pub(crate) async fn over(
    primary: DatabaseConnection,
    replicas: Vec<DatabaseConnection>,
    sql: &str,
) -> Result<Ours> {
    let db = RoutedConnection::from_connections(primary, replicas);
    let begun = Instant::now();
    while db.explain(sql).role != Some(Role::Replica) {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("no replica is used: {}", db.explain(sql)).into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(db)
}

/// One decision: intent, route and lease; what is returned gives the lease back when it is dropped.
#[inline]
pub(crate) fn decide(db: &Ours, sql: &str) -> impl Sized + use<> {
    sealane::bench::decide(db, sql)
}
