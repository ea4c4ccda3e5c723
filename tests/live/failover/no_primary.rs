//! While there is no primary (rules R2, R4, R7, T1).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, Error, Outcome, Reason};

use super::{COUNT, MS, builder, cluster, insert, promote, rows, until_used};
use crate::{
    fixture::{number, sql},
    place::until,
};

/// R2: what a replica is known to have is read there, however long nobody writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_replicas_cover_go_on_and_others_wait() {
    let cluster = cluster();
    let db = builder(&cluster)
        .check_interval(100 * MS)
        .max_lag(Duration::from_secs(1))
        .route_timeout(700 * MS)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    until("a replica", async || {
        number(&db, COUNT).await == 1 && db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    let covered = db.session();
    for standby in cluster.standbys() {
        standby.pause_replay().unwrap();
    }
    insert(&db, 2).await.unwrap();
    let uncovered = db.session();
    assert_eq!(number(&uncovered, COUNT).await, 2);
    // What only the primary has would be lost with it.
    let end = cluster
        .primary()
        .sql("SELECT pg_current_wal_lsn()")
        .unwrap();
    let received = format!("SELECT pg_last_wal_receive_lsn() >= '{}'", end.trim());
    until("the standby to have it", async || {
        cluster.standby(0).sql(&received).unwrap().trim() == "t"
    })
    .await;
    cluster.primary().kill().unwrap();
    until("the loss", async || {
        db.cluster().topology().to_string().contains("unknown")
    })
    .await;
    let begun = Instant::now();
    // Longer than the lag that is allowed: without a primary nobody falls behind.
    while begun.elapsed() < Duration::from_millis(1_500) {
        assert_eq!(number(&covered, COUNT).await, 1);
        tokio::time::sleep(20 * MS).await;
    }
    let err = uncovered.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(
        matches!(ours, Error::NotCaughtUp { .. }),
        "never a stale row: {err}"
    );
    let there = uncovered.primary();
    let err = there.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(
        matches!(ours, Error::NoPrimary { .. }),
        "it needs no replica: {err}"
    );
    // It waits for the new primary when there is time.
    let waiting = tokio::spawn({
        let (db, uncovered) = (db.clone(), uncovered.clone());
        async move { uncovered.query_one_raw(sql(&db, COUNT)).await }
    });
    for standby in cluster.standbys() {
        standby.resume_replay().unwrap();
    }
    promote(cluster.standby(0)).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(rows(cluster.standby(0), 2), 1);
}

/// T1, R4: a thousand statements wait without a storm of connections, and each ends at its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_wait_cost_one_attempt_per_node_and_half_second() {
    let cluster = cluster();
    let db = builder(&cluster)
        .consistency(Consistency::Eventual)
        .failover_timeout(Duration::from_secs(3))
        .route_timeout(Duration::from_secs(3))
        .replica_acquire_timeout(500 * MS)
        .connect()
        .await
        .unwrap();
    until_used(&db, cluster.standby(0)).await;
    let doors: Vec<_> = cluster.nodes().iter().map(|node| node.addr()).collect();
    for node in cluster.nodes() {
        node.kill().unwrap();
    }
    // What comes to the dead servers' doors is counted there.
    let knocks: Vec<_> = doors
        .into_iter()
        .map(|addr| {
            let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
            let counted = std::sync::Arc::clone(&count);
            let door = tokio::spawn(async move {
                let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    drop(socket);
                }
            });
            (door, count)
        })
        .collect();
    let all: Vec<_> = (0..1_000)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move {
                let begun = Instant::now();
                let err = match n % 2 {
                    0 => insert(&db, n).await.unwrap_err(),
                    _ => db.query_one_raw(sql(&db, COUNT)).await.unwrap_err(),
                };
                (err, begun.elapsed())
            })
        })
        .collect();
    // Until all are known to be dead, each statement may find it out for itself.
    until("the end of all nodes", async || {
        let topology = db.cluster().topology();
        let dead = |node: &sealane::NodeStatus| match node.role {
            sealane::Role::Replica => node.ineligible == Some(sealane::Ineligible::Ejected),
            _ => node.role == sealane::Role::Unknown,
        };
        topology.nodes.iter().all(dead)
    })
    .await;
    // What knocked before that may still wait to be counted.
    tokio::time::sleep(500 * MS).await;
    let counted = Instant::now();
    for (_, count) in &knocks {
        count.store(0, std::sync::atomic::Ordering::Relaxed);
    }
    let (mut slowest, mut unknown) = (Duration::ZERO, 0);
    for one in all {
        let (err, took) = one.await.unwrap();
        slowest = slowest.max(took);
        let is_unknown = |ours: &Error| ours.outcome() != Outcome::NotExecuted;
        unknown += u32::from(Error::from_db_err(&err).is_some_and(is_unknown));
    }
    // What met a connection that was cut with the servers: one for each of the pool's at the most.
    assert!(unknown <= 10, "{unknown}");
    let took = counted.elapsed();
    println!("the slowest ended after {slowest:?}");
    assert!(slowest < Duration::from_secs(6));
    for (door, count) in knocks {
        let count = count.load(std::sync::atomic::Ordering::Relaxed);
        println!("{count} connections in {took:?}");
        let most = took.as_millis() / 500 + 2;
        assert!(u128::from(count) <= most, "{count} of at most {most}");
        door.abort();
    }
}

/// The log of a request that failed has what an operator asks then: who took the writes last, since when nobody does, and what
/// each node says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_failed_tells_of_the_last_switch_and_of_each_node() {
    let cluster = cluster();
    let db = builder(&cluster)
        .check_interval(100 * MS)
        .failover_timeout(300 * MS)
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await.unwrap();
    assert_eq!(db.cluster().report().last_switch, None, "a start is none");
    cluster.primary().kill().unwrap();
    let promoted = cluster.standby(0);
    promote(promoted).await;
    until("writes at the new primary", async || {
        insert(&db, 2).await.is_ok()
    })
    .await;
    promoted.kill().unwrap();
    until("nobody to write to", async || {
        let err = insert(&db, 3).await.unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        matches!(ours, Error::NoPrimary { .. })
    })
    .await;
    let err = insert(&db, 4).await.unwrap_err();
    let report = Error::report(&err).unwrap_or_else(|| panic!("{err} tells nothing"));
    let switch = report.last_switch.as_ref().unwrap();
    assert_eq!(switch.to, promoted.name());
    assert_eq!((report.primary.as_deref(), report.epoch), (None, Some(2)));
    assert!(report.without_primary.is_some());
    assert_eq!(report.nodes.len(), 3);
    let dead = report
        .nodes
        .iter()
        .find(|node| node.seen.name == promoted.name());
    assert!(dead.unwrap().in_doubt, "{report}");
    assert!(dead.unwrap().seen.said.is_some(), "{report}");
}
