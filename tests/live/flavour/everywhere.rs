//! Nodes that all take writes: CockroachDB's, YugabyteDB's (T18).

use std::{collections::BTreeMap, time::Duration};

use futures_util::FutureExt;
use sea_orm::ConnectionTrait;
use sealane::{Builder, ClusterEvent, FenceReason, Flavour, Role, RoutedConnection};
use sealane_harness::Cluster;

use super::dress::{COCKROACH, YUGABYTE, nodes};
use crate::{fixture::number, heard::Heard, place::until};

const COUNT: &str = "SELECT count(*) FROM note";

const NAMES: [&str; 3] = ["one", "two", "three"];

fn builder(nodes: &[Cluster], called: &str) -> Builder {
    let url = |at: usize| format!("{}?name={}", nodes[at].primary().url(), NAMES[at]);
    RoutedConnection::builder()
        .primary(url(0))
        .replicas((1..nodes.len()).map(url))
        .check_interval(Duration::from_millis(100))
        .cluster_name(called)
}

async fn insert(db: &RoutedConnection, id: usize) -> Result<(), sea_orm::DbErr> {
    let sql = format!("INSERT INTO note VALUES ({id})");
    db.execute_unprepared(&sql).await.map(drop)
}

fn roles(db: &RoutedConnection) -> Vec<(String, Role)> {
    let nodes = db.cluster().topology().nodes.into_iter();
    nodes.map(|node| (node.name, node.role)).collect()
}

/// Counts the statements that each node had since the last look, and holds each read to be one that found a fresh node.
fn note(heard: &Heard, taken: &mut BTreeMap<String, usize>) {
    for decision in heard.decisions() {
        if decision.intent == "read" {
            assert_eq!(decision.reason, "replica", "{decision:?}");
        }
        *taken.entry(decision.node).or_default() += 1;
    }
}

async fn all_serve(version: &str, flavour: Flavour) {
    let nodes = nodes(3, version);
    let (heard, _guard) = Heard::listen();
    let db = builder(&nodes, flavour.as_str()).connect().await.unwrap();
    let topology = db.cluster().topology();
    assert_eq!(topology.flavour, Some(flavour), "{topology}");
    for node in &topology.nodes {
        assert_eq!(node.flavour, Some(flavour), "{node}");
        assert_eq!(node.ineligible, None, "{node}");
    }
    let expected = [Role::Primary, Role::Replica, Role::Replica];
    assert_eq!(
        roles(&db),
        NAMES
            .map(str::to_owned)
            .into_iter()
            .zip(expected)
            .collect::<Vec<_>>()
    );
    heard.decisions();
    for id in 0..30 {
        insert(&db, id).await.unwrap();
        // The session wrote just now, and any node will do.
        for _ in 0..4 {
            number(&db, COUNT).await;
        }
    }
    // A share is no matter of this: while a busy machine lets one node answer later than the others by the latency window,
    // that one has none. It had 3 of 150 once.
    let mut taken = BTreeMap::new();
    until("reads on every node", async || {
        number(&db, COUNT).await;
        note(&heard, &mut taken);
        NAMES.iter().all(|name| taken.get(*name) > Some(&10))
    })
    .await;
    let written = nodes
        .iter()
        .map(|node| node.primary().sql(COUNT).unwrap().trim().to_owned());
    assert_eq!(written.collect::<Vec<_>>(), ["30", "0", "0"]);
    // For longer than a few checks.
    tokio::time::timeout(Duration::from_millis(500), async {
        loop {
            number(&db, COUNT).await;
        }
    })
    .await
    .unwrap_err();
    let warnings = heard.warnings();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(roles(&db).len(), 3);
    db.close().await.unwrap();
}

#[tokio::test]
async fn every_node_of_cockroachdb_serves_fresh_reads() {
    all_serve(COCKROACH, Flavour::CockroachDb).await;
}

#[tokio::test]
async fn every_node_of_yugabytedb_serves_fresh_reads_whatever_its_log_says() {
    all_serve(YUGABYTE, Flavour::YugabyteDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_takes_the_writes_of_one_that_dies_and_keeps_them() {
    let nodes = nodes(3, COCKROACH);
    let db = builder(&nodes, "dies").connect().await.unwrap();
    let mut events = db.cluster().subscribe().unwrap();
    insert(&db, 1).await.unwrap();
    nodes[0].primary().kill().unwrap();
    let mut id = 1;
    until("writes", async || {
        id += 1;
        insert(&db, id).await.is_ok()
    })
    .await;
    let writer = |db: &RoutedConnection| {
        let roles = roles(db);
        let found = roles.into_iter().find(|(_, role)| *role == Role::Primary);
        found.map(|(name, _)| name)
    };
    let took = writer(&db).unwrap();
    assert_ne!(took, "one");
    // Reads go on meanwhile, and afterwards on all of them.
    number(&db, COUNT).await;
    nodes[0].primary().start().unwrap();
    until("its return", async || {
        roles(&db).contains(&("one".to_owned(), Role::Replica))
    })
    .await;
    for _ in 0..20 {
        id += 1;
        insert(&db, id).await.unwrap();
        number(&db, COUNT).await;
    }
    assert_eq!(writer(&db), Some(took));
    while let Some(Some(event)) = events.next().now_or_never() {
        assert!(!matches!(event, ClusterEvent::Fenced { .. }), "{event:?}");
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_process_starts_on_another_node_where_the_system_is_set() {
    let nodes = nodes(2, COCKROACH);
    nodes[0].primary().kill().unwrap();
    let builder = builder(&nodes, "set").acquire_timeout(Duration::from_millis(500));
    let refused = builder.clone().connect().await.map(drop).unwrap_err();
    assert!(
        refused.to_string().contains("the primary, node `one`"),
        "{refused}"
    );
    let db = builder
        .flavour(Flavour::CockroachDb)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    assert_eq!(number(&db, COUNT).await, 1);
    assert_eq!(roles(&db)[1], ("two".to_owned(), Role::Primary));
    db.close().await.unwrap();
}

/// Whichever of the two is the primary: what the other one holds is another database's.
#[tokio::test]
async fn a_server_of_another_system_has_no_reads_and_no_writes() {
    let mut nodes = nodes(1, COCKROACH);
    let plain = Cluster::builder().own_identity().start().unwrap();
    plain
        .primary()
        .sql("CREATE TABLE note (id bigint PRIMARY KEY)")
        .unwrap();
    nodes.push(plain);
    for turn in 0..2 {
        let db = builder(&nodes, "mixed").connect().await.unwrap();
        let topology = db.cluster().topology();
        assert_eq!(topology.nodes[1].role, Role::Fenced, "{turn}: {topology}");
        let (heard, _guard) = Heard::listen();
        insert(&db, 1).await.unwrap();
        for _ in 0..10 {
            assert_eq!(number(&db, COUNT).await, 1);
        }
        assert!(heard.decisions().iter().all(|one| one.node == "one"));
        db.close().await.unwrap();
        nodes.reverse();
    }
    assert_eq!(FenceReason::OtherSystem.as_str(), "other_system");
}
