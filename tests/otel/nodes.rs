//! On servers: the cluster's address beside the node's, and one span whatever a statement has been through.

#![cfg(feature = "postgres")]

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use sealane::{Role, RoutedConnection};
use sealane_harness::{Cluster, Node, Stop};

use crate::{
    conventions::{System, check},
    recorder::{attribute, record},
};

async fn until(what: &str, ready: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !ready().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn stmt(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(1)
        .own_identity()
        .start()
        .unwrap();
    cluster
        .primary()
        .sql("CREATE TABLE t (n bigint PRIMARY KEY)")
        .unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

async fn connect(cluster: &Cluster) -> RoutedConnection {
    let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
    let db = RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replicas(cluster.standbys().iter().map(named))
        .check_interval(Duration::from_millis(100))
        .connect()
        .await
        .unwrap();
    until("a replica", async || {
        let topology = db.cluster().topology();
        let replica =
            |node: &sealane::NodeStatus| node.role == Role::Replica && node.ineligible.is_none();
        topology.nodes.iter().any(replica)
    })
    .await;
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_peer_is_the_node_and_the_server_is_the_cluster() {
    let cluster = cluster();
    let db = connect(&cluster).await;
    let (row, recorded) = record(1, db.query_one_raw(stmt("SELECT count(*) FROM t"))).await;
    row.unwrap();
    let span = recorded.one();
    check(span, System::Server);
    assert_eq!(attribute(span, "sealane.role").as_deref(), Some("replica"));
    let node = cluster.standby(0);
    let port = node.port().to_string();
    assert_eq!(attribute(span, "network.peer.port"), Some(port));
    assert_eq!(
        attribute(span, "network.peer.address").as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(
        attribute(span, "server.address").as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(
        attribute(span, "server.port"),
        None,
        "the nodes have several"
    );
    assert_eq!(attribute(span, "db.namespace").as_deref(), Some("postgres"));
    assert_eq!(
        attribute(span, "db.query.summary").as_deref(),
        Some("SELECT t")
    );

    let twice = "INSERT INTO t VALUES (1), (1)";
    let (done, recorded) = record(1, db.execute_unprepared(twice)).await;
    done.unwrap_err();
    let span = recorded.one();
    check(span, System::Server);
    assert_eq!(attribute(span, "error.type").as_deref(), Some("23505"));
    assert_eq!(
        attribute(span, "db.response.status_code").as_deref(),
        Some("23505")
    );
    assert_eq!(
        attribute(span, "db.query.text").as_deref(),
        Some("INSERT INTO t VALUES (?), (?)")
    );
    let port = cluster.primary().port().to_string();
    assert_eq!(attribute(span, "network.peer.port"), Some(port));
}

/// The read is sent again on the primary once its replica is gone: one statement for its caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_moves_has_one_span_with_the_last_node() {
    let cluster = cluster();
    let db = connect(&cluster).await;
    let reading = async {
        let work = db.query_one_raw(stmt("SELECT count(*), pg_sleep(3)::text FROM t"));
        let killing = async {
            until("the read to run", async || {
                let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND state = 'active' \
                               AND pid <> pg_backend_pid()";
                cluster.standby(0).sql(running).unwrap().trim() == "1"
            })
            .await;
            cluster.standby(0).stop(Stop::Fast).unwrap();
        };
        tokio::join!(work, killing).0
    };
    let (row, recorded) = record(1, reading).await;
    row.unwrap();
    let span = recorded.one();
    check(span, System::Server);
    assert_eq!(attribute(span, "sealane.role").as_deref(), Some("primary"));
    let port = cluster.primary().port().to_string();
    assert_eq!(attribute(span, "network.peer.port"), Some(port));
    assert_eq!(attribute(span, "error.type"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_write_and_a_lost_transaction_have_our_word() {
    let cluster = cluster();
    let db = connect(&cluster).await;
    let work = async {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO t VALUES (2)")
            .await
            .unwrap();
        let writing = db.execute_unprepared("INSERT INTO t SELECT 3 FROM pg_sleep(60)");
        let killing = async {
            until("the write to run", async || {
                let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' \
                               AND pid <> pg_backend_pid()";
                cluster.primary().sql(running).unwrap().trim() == "1"
            })
            .await;
            cluster.primary().kill().unwrap();
        };
        tokio::join!(writing, killing).0.unwrap_err();
        txn.commit().await.unwrap_err();
    };
    let ((), recorded) = record(4, work).await;
    for span in &recorded.spans {
        check(span, System::Server);
    }
    let of = |name: &str| {
        let span = recorded
            .spans
            .iter()
            .find(|span| span.name == name)
            .unwrap();
        attribute(span, "error.type")
    };
    let lost = recorded
        .spans
        .iter()
        .filter_map(|span| attribute(span, "error.type"));
    let lost: Vec<String> = lost.collect();
    assert!(
        lost.contains(&"unknown_outcome".to_owned()) || lost.contains(&"cut_off".to_owned()),
        "{lost:?}"
    );
    let commit = of("COMMIT postgres").unwrap();
    assert!(
        ["transaction_lost", "unknown_outcome", "cut_off", "given_up"].contains(&&*commit),
        "{commit}"
    );
    assert_eq!(of("BEGIN postgres"), None);
}

#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_called_by_its_name_and_its_errors_by_their_numbers() {
    use sealane_harness::mariadb;
    let cluster = mariadb::Cluster::builder().replicas(0).start().unwrap();
    let db = RoutedConnection::builder().primary(cluster.primary().url());
    let db = db.connect().await.unwrap();
    db.execute_unprepared("CREATE TABLE t (n bigint PRIMARY KEY)")
        .await
        .unwrap();
    let twice = db.execute_unprepared("INSERT INTO t VALUES (1), (1)");
    let (done, recorded) = record(1, twice).await;
    done.unwrap_err();
    let span = recorded.one();
    check(span, System::Server);
    assert_eq!(
        attribute(span, "db.system.name").as_deref(),
        Some("mariadb")
    );
    assert_eq!(attribute(span, "error.type").as_deref(), Some("1062"));
    assert_eq!(
        attribute(span, "db.response.status_code").as_deref(),
        Some("1062")
    );
}
