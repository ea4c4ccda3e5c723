//! A server of another kind beside a PostgreSQL cluster, and one that becomes of another kind while the cluster sleeps (T17,
//! T18).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Builder, Role, RoutedConnection};
use sealane_harness::Cluster;

use super::dress::{COCKROACH, nodes};
use crate::{
    fixture::number,
    heard::Heard,
    place::{own_cluster, until},
};

const COUNT: &str = "SELECT count(*) FROM t";

fn builder(cluster: &Cluster) -> Builder {
    RoutedConnection::builder()
        .primary(format!("{}?name=primary", cluster.primary().url()))
        .check_interval(Duration::from_millis(50))
}

async fn insert(db: &RoutedConnection) {
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

/// Where the last of some reads of what was written ran.
async fn read_on(db: &RoutedConnection, rows: i64) -> String {
    let (heard, _guard) = Heard::listen();
    assert_eq!(number(db, COUNT).await, rows);
    heard.decisions().pop().unwrap().role
}

#[tokio::test]
async fn a_fenced_server_of_another_system_takes_no_positions_away() {
    let (cluster, foreign) = (own_cluster(1), nodes(1, COCKROACH));
    let urls = [cluster.standby(0), foreign[0].primary()].map(|node| node.url());
    let db = builder(&cluster).replicas(urls).connect().await.unwrap();
    until("the foreign one to be fenced", async || {
        let topology = db.cluster().topology();
        topology.nodes[2].role == Role::Fenced
    })
    .await;
    insert(&db).await;
    until("a read of it on the standby", async || {
        read_on(&db, 1).await == "replica"
    })
    .await;
    db.close().await.unwrap();
}

/// A coordinator of Citus that reads from its workers' replicas from now on: its own position says nothing of those.
#[tokio::test]
async fn what_a_node_says_as_the_cluster_wakes_counts_before_any_read() {
    let cluster = own_cluster(1);
    let db = builder(&cluster)
        .replicas([cluster.standby(0).url()])
        .idle_after(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    insert(&db).await;
    until("a read of it on the standby", async || {
        read_on(&db, 1).await == "replica"
    })
    .await;
    until("the cluster to sleep", async || {
        db.cluster().topology().asleep
    })
    .await;
    let workers = "ALTER DATABASE postgres SET citus.use_secondary_nodes = 'always'";
    cluster.primary().sql(workers).unwrap();
    cluster.wait_caught_up().unwrap();
    for _ in 0..20 {
        assert_eq!(read_on(&db, 1).await, "primary");
    }
    db.close().await.unwrap();
}
