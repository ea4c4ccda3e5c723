//! A real cluster, a handle on it, and a record of every decision.

use sea_orm::{ConnectionTrait, Statement};
use sealane::{Builder, RoutedConnection};
use sealane_harness::Cluster;

/// A primary and so many standbys, streaming.
pub fn cluster(standbys: usize) -> Cluster {
    Cluster::builder().standbys(standbys).start().unwrap()
}

/// A builder that names every node of the cluster: `primary`, though that may change, and the standbys as `one`, `two`, ….
pub fn builder(cluster: &Cluster) -> Builder {
    let names = ["one", "two", "three", "four"];
    let replicas = cluster
        .standbys()
        .iter()
        .zip(names)
        .map(|(node, name)| format!("{}?name={name}", node.url()));
    RoutedConnection::builder()
        .primary(format!("{}?name=primary", cluster.primary().url()))
        .replicas(replicas)
}

pub fn sql(db: &RoutedConnection, text: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}

/// The first column of the only row.
pub async fn number(db: &impl ConnectionTrait, text: &str) -> i64 {
    let stmt = Statement::from_string(db.get_database_backend(), text);
    db.query_one_raw(stmt)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}
