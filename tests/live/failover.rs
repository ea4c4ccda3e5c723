//! When the primary changes: real promotions, kills, freezes and returns (rules T2–T8, R2, T13).

mod conflict;
mod fenced;
mod follow;
mod handed_out;
mod lag;
mod late_start;
mod lost;
mod no_primary;
mod open_work;
mod planned;
mod refresh;
mod restored;
mod silent;
mod twice;
mod unlisted;

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Builder, NodeStatus, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use crate::{
    faults,
    place::{own_cluster, until},
};

const MS: Duration = Duration::from_millis(1);
const COUNT: &str = "SELECT count(*) FROM t";

/// A primary and two standbys that nobody else knows, with an empty table.
fn cluster() -> Cluster {
    own_cluster(2)
}

/// All nodes by their names in the harness, the first as the primary.
fn builder(cluster: &Cluster) -> Builder {
    let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
    RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replicas(cluster.standbys().iter().map(named))
        .ramp_up(100 * MS)
}

/// A client for which only the time of its checks matters.
async fn connect(cluster: &Cluster, check_interval: Duration) -> RoutedConnection {
    let builder = builder(cluster).check_interval(check_interval);
    builder.max_lag(None).connect().await.unwrap()
}

fn status(db: &RoutedConnection, node: &Node) -> NodeStatus {
    faults::status(db, node.name())
}

async fn until_role(db: &RoutedConnection, node: &Node, role: Role) {
    faults::until_role(db, node.name(), role).await;
}

async fn until_used(db: &RoutedConnection, node: &Node) {
    until(&format!("{} to be used", node.name()), async || {
        let status = status(db, node);
        status.role == Role::Replica && status.ineligible.is_none()
    })
    .await;
}

async fn insert(db: &RoutedConnection, n: i64) -> Result<(), sea_orm::DbErr> {
    let sql = format!("INSERT INTO t VALUES ({n})");
    db.execute_unprepared(&sql).await.map(drop)
}

/// How often this row is there, by the node's own word.
fn rows(node: &Node, n: i64) -> u64 {
    let sql = format!("SELECT count(*) FROM t WHERE n = {n}");
    node.sql(&sql).unwrap().trim().parse().unwrap()
}

/// Blocking work of the harness, beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn promote(node: &Node) {
    let node = node.clone();
    blocking(move || node.promote().unwrap()).await;
}

/// Far longer than it takes, and far shorter than what would come instead; the bench measures.
const SOON: Duration = Duration::from_secs(15);

fn soon(what: &str, since: Instant) {
    let took = since.elapsed();
    println!("{what}: {took:?}");
    assert!(took <= SOON, "{what}: {took:?}");
}
