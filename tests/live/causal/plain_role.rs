//! A role without `pg_monitor` on a cluster that was promoted (rules T2, C6): whom a replica follows it may not see, and
//! what is known of the replica's position must be sure all the same.

use std::time::{Duration, Instant};

use sea_orm::{AccessMode, TransactionTrait};
use sealane::{Consistency, Reason, Role, RoutedConnection};
use sealane_harness::{Cluster, Stop};

use super::{COUNT, insert, reason, until_on_a_replica};
use crate::{balancer::Balancer, fixture::number, heard::Heard, place::until};

const PIN: Duration = Duration::from_millis(100);

/// A cluster of a role that sees little.
fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(3)
        .own_identity()
        .start()
        .unwrap();
    let sql = "CREATE TABLE t (n bigint); CREATE ROLE plain LOGIN; GRANT ALL ON t TO plain";
    cluster.primary().sql(sql).unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

/// The same, promoted once: the first standby is the primary, and the others follow it.
fn promoted() -> Cluster {
    let cluster = cluster();
    let new = cluster.standby(0);
    cluster.primary().stop(Stop::Fast).unwrap();
    new.promote().unwrap();
    for other in &cluster.standbys()[1..] {
        other.repoint(new).unwrap();
        other.wait_streaming().unwrap();
    }
    cluster
}

/// The primary's checkpoint, and one of each replica that has replayed it.
fn checkpoints(cluster: &Cluster) {
    let new = cluster.standby(0);
    new.sql("CHECKPOINT").unwrap();
    for other in &cluster.standbys()[1..] {
        other.wait_caught_up_with(new).unwrap();
        other.sql("CHECKPOINT").unwrap();
    }
}

fn plain(url: &str) -> String {
    let plain = url.replace("postgres@", "plain@");
    assert_ne!(plain, url);
    plain
}

async fn connect(primary: String, replica: &str) -> RoutedConnection {
    RoutedConnection::builder()
        .primary(plain(&primary))
        .replica(plain(replica))
        .pin(PIN)
        .check_interval(Duration::from_millis(100))
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap()
}

/// Reads of a session that wrote, in statements and in transactions, for longer than the pin; and how many of them a
/// replica served. Each has to find so many rows.
async fn read_on(db: &RoutedConnection, rows: i64) -> (u32, u32) {
    let (begun, mut reads, mut offloaded) = (Instant::now(), 0, 0);
    while begun.elapsed() < 4 * PIN {
        let was = reason(db);
        assert_eq!(number(db, COUNT).await, rows, "{was}");
        reads += 1;
        offloaded += u32::from(was == Reason::Replica);
        let txn = db.begin_with_config(None, Some(AccessMode::ReadOnly));
        let txn = txn.await.unwrap();
        assert_eq!(number(&txn, COUNT).await, rows, "in a transaction");
        txn.commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (reads, offloaded)
}

/// What a replica that is behind shows is stale, however long ago the pin was over.
#[tokio::test]
async fn a_replica_that_is_further_behind_than_the_pin_makes_no_read_stale() {
    let cluster = promoted();
    let (new, other) = (cluster.standby(0), cluster.standby(1));
    let db = connect(new.url(), &other.url()).await;
    let (session, reader) = (db.session(), db.empty_session());
    // Whoever wrote nothing reads there from the beginning.
    until_on_a_replica(&reader, 0).await;
    let mut offloaded = 0;
    for n in 1..=3 {
        other.pause_replay().unwrap();
        insert(&session, n).await;
        offloaded += read_on(&session, n).await.1;
        offloaded += read_on(&db, n).await.1;
        // As sure where its position is known to be of the new timeline.
        checkpoints_while_paused(&cluster);
        assert_eq!(reason(&reader), Reason::Replica);
        assert_eq!(number(&reader, COUNT).await, n - 1);
        other.resume_replay().unwrap();
        other.wait_caught_up_with(new).unwrap();
    }
    assert_eq!(offloaded, 0);
}

fn checkpoints_while_paused(cluster: &Cluster) {
    cluster.standby(0).sql("CHECKPOINT").unwrap();
    cluster.standby(1).sql("CHECKPOINT").unwrap();
}

/// The control file tells any role which timeline a standby has reached, once both have made a checkpoint.
#[tokio::test]
async fn a_replica_that_keeps_up_serves_again_once_it_is_known_to_follow() {
    let cluster = promoted();
    let (new, other) = (cluster.standby(0), cluster.standby(1));
    let db = connect(new.url(), &other.url()).await;
    insert(&db, 1).await;
    assert_eq!(number(&db, COUNT).await, 1);
    checkpoints(&cluster);
    until_on_a_replica(&db, 1).await;
    // From now on by positions: no pin has to be over.
    let (mut reads, mut offloaded) = (0, 0);
    for n in 2..=5 {
        insert(&db, n).await;
        let (of, on) = read_on(&db, n).await;
        (reads, offloaded) = (reads + of, offloaded + on);
    }
    assert!(2 * offloaded > reads, "{offloaded} of {reads}");
    // R6: a statement of a transaction there waits for its own node.
    let txn = db.begin_with_config(None, Some(AccessMode::ReadOnly));
    let txn = txn.await.unwrap();
    assert_eq!(txn.role(), Role::Replica);
    assert_eq!(number(&txn, COUNT).await, 5);
    insert(&db, 6).await;
    assert_eq!(number(&txn, COUNT).await, 6);
    txn.commit().await.unwrap();
    // C6: a bookmark is held against the same positions.
    let writer = db.session();
    other.pause_replay().unwrap();
    insert(&writer, 7).await;
    let reader = db.session_from(&writer.bookmark().await.unwrap());
    // The first read holds it against the primary.
    assert_eq!(number(&reader, COUNT).await, 7);
    assert_eq!(read_on(&reader, 7).await.1, 0);
    other.resume_replay().unwrap();
    until_on_a_replica(&reader, 7).await;
}

/// The same where one name has several servers: each connection is asked, and has to be sure as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_of_a_role_that_sees_little_make_no_read_stale() {
    let cluster = promoted();
    let (new, behind) = (cluster.standby(0), cluster.standby(2));
    let others = cluster.standbys()[1..].iter().map(|node| node.addr());
    let balancer = Balancer::over(others.collect(), 0).await;
    let name = behind.url_at(balancer.addr, "postgres");
    let db = connect(new.url(), &name).await;
    behind.pause_replay().unwrap();
    insert(&db, 1).await;
    read_on(&db, 1).await;
    behind.resume_replay().unwrap();
    checkpoints(&cluster);
    behind.pause_replay().unwrap();
    insert(&db, 2).await;
    read_on(&db, 2).await;
    behind.resume_replay().unwrap();
}

#[tokio::test]
async fn a_role_that_sees_little_is_told_at_the_start_which_grant_it_lacks() {
    let cluster = cluster();
    let (heard, _listening) = Heard::listen();
    let db = RoutedConnection::builder()
        .primary(plain(&cluster.primary().url()))
        .replicas(cluster.standbys().iter().map(|node| plain(&node.url())))
        .check_interval(Duration::from_millis(20))
        .connect()
        .await
        .unwrap();
    let grants = || {
        let warnings = heard.warnings().into_iter();
        let grants = warnings.filter(|line| line.contains("GRANT pg_monitor TO plain"));
        grants.count()
    };
    until("the warning", async || grants() > 0).await;
    insert(&db, 1).await;
    until_on_a_replica(&db, 1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(grants(), 1, "{:#?}", heard.warnings());
}
