//! After a restore an earlier history counts: `force_primary()` of a smaller epoch, a disk of before, another cluster's disk
//! (rules T3, C10, C11).

use std::{process::Command, time::Duration};

use sealane::{Consistency, Reason, RoutedConnection};
use sealane_harness::{Cluster, Node, Stop};

use super::{COUNT, MS, blocking, builder, cluster, insert, promote, until_role, until_used};
use crate::{fixture::number, place::until};

/// Longer than anything here takes; what waits for it in vain fails the test.
const NEVER: Duration = Duration::from_secs(60);

async fn connect(cluster: &Cluster) -> RoutedConnection {
    let builder = builder(cluster)
        .check_interval(50 * MS)
        .route_timeout(NEVER)
        .consistency(Consistency::ReadYourWrites);
    builder.max_lag(None).connect().await.unwrap()
}

/// Writes a row, and reads until a replica serves it; each answer has to be this.
async fn reads_return(db: &RoutedConnection, rows: i64) {
    insert(db, rows).await.unwrap();
    until_on_a_replica(db, rows).await;
}

async fn until_on_a_replica(db: &RoutedConnection, rows: i64) {
    until("a replica", async || {
        let reason = db.explain(COUNT).reason;
        assert_eq!(number(db, COUNT).await, rows, "{reason}");
        reason == Reason::Replica
    })
    .await;
}

/// Whatever was known before is worth what survived, and holds nobody up.
async fn all_goes_on(
    db: &RoutedConnection,
    (session, mark): (&RoutedConnection, &sealane::Bookmark),
) {
    let rows = number(&db.primary(), COUNT).await;
    reads_return(db, rows + 1).await;

    assert!(!db.bookmark().await.unwrap().is_empty());
    for session in [session, &db.session_from(mark)] {
        until_on_a_replica(session, rows + 1).await;
        assert!(!session.bookmark().await.unwrap().is_empty());
    }
}

/// The promoted standby is given up, and the old primary, which another standby follows still, is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_earlier_epoch_was_accepted_replicas_serve_writers_again() {
    let cluster = cluster();
    let (old, lost, replica) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let (db, other) = (connect(&cluster).await, connect(&cluster).await);
    promote(lost).await;
    for db in [&db, &other] {
        until_role(db, lost, sealane::Role::Primary).await;
    }
    let session = db.session();
    insert(&session, 1).await.unwrap();
    let mark = session.bookmark().await.unwrap();
    let node = lost.clone();
    blocking(move || node.stop(Stop::Immediate).unwrap()).await;
    db.cluster().force_primary(old.name()).await.unwrap();
    // The other one hears of it.
    for db in [&db, &other] {
        until_used(db, replica).await;
    }
    for db in [&db, &other, &db] {
        all_goes_on(db, (&session, &mark)).await;
    }
    assert!(session.positions_lost() > 0);

    // The next promotion comes to the number that was given up.
    let next = replica.clone();
    let node = old.clone();
    blocking(move || {
        node.stop(Stop::Fast).unwrap();
        next.promote().unwrap();
        node.rewind_to(&next).unwrap();
    })
    .await;
    until_used(&db, old).await;
    all_goes_on(&db, (&session, &mark)).await;
}

/// What keeps the disk of a stopped server.
fn copy(from: &str, to: &str) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").args(["-a", from, to]).status().unwrap();
    assert!(copied.success());
}

/// The primary's disk is put back to an earlier moment, on the same timeline, and its standbys are made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_whose_disk_was_put_back_begins_another_history() {
    let cluster = cluster();
    let (primary, astray, anew) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let disk = |node: &Node| format!("{}/{}/data", cluster.folder().display(), node.name());
    for node in [primary, anew] {
        node.stop(Stop::Fast).unwrap();
        copy(&disk(node), &format!("{}.before", disk(node)));
        node.start().unwrap();
    }
    for standby in cluster.standbys() {
        standby.wait_streaming().unwrap();
    }
    let db = connect(&cluster).await;
    let fill = "CREATE TABLE gone AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)";
    primary.sql(fill).unwrap();
    reads_return(&db, 1).await;
    let session = db.session();
    insert(&session, 2).await.unwrap();
    let mark = session.bookmark().await.unwrap();
    cluster.wait_caught_up().unwrap();
    for node in [primary, anew] {
        node.stop(Stop::Immediate).unwrap();
        copy(&format!("{}.before", disk(node)), &disk(node));
        node.start().unwrap();
    }
    until_used(&db, anew).await;
    until("writes", async || insert(&db, 3).await.is_ok()).await;
    until_on_a_replica(&db, 1).await;
    all_goes_on(&db, (&session, &mark)).await;
    // The other one has the old history still, and asks for more again and again: in vain, where the primary has not come to
    // the file of its log that it wants.
    let last = "SELECT max(n) FROM t";
    assert_eq!(astray.sql(last).unwrap().trim(), "2");
    for _ in 0..50 {
        assert_eq!(number(&db.empty_session(), last).await, 3);
    }
}
