//! Standbys of another history, which show positions that cover every write and have none of them (rules T5, C6, C13, T11).

use std::{
    fs,
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use sealane::{Ineligible, RoutedConnection};
use sealane_harness::{Cluster, HaProxy, Node, Stop};

use crate::{
    fixture::number,
    place::{own_cluster, until},
};

const MS: Duration = Duration::from_millis(1);

const COUNT: &str = "SELECT count(*) FROM t WHERE n = 1";

/// Long enough that each of several that run at once has a connection of its own.
const SLOW: &str = "SELECT count(*) AS own FROM t, pg_sleep(0.02) WHERE n = 1";

fn named(node: &Node) -> String {
    format!("{}?name={}", node.url(), node.name())
}

fn folder(cluster: &Cluster, node: &Node) -> String {
    format!("{}/{}/data", cluster.folder().display(), node.name())
}

fn copy(from: &str, to: &str) {
    let _ = fs::remove_dir_all(to);
    let copied = std::process::Command::new("cp")
        .args(["-a", from, to])
        .status();
    assert!(copied.unwrap().success());
}

/// Promotes a standby for a trial and puts it back as it was, as one of the primary that was promoted to the same timeline
/// since. `far`: its trial went beyond where that one is.
fn try_out(cluster: &Cluster, tried: &Node, new: &Node, far: bool) {
    tried.promote().unwrap();
    let much = match far {
        true => "CREATE TABLE much AS SELECT generate_series(1, 50000) AS n",
        false => "SELECT pg_logical_emit_message(false, 'a', repeat('x', 150000))",
    };
    tried.sql(much).unwrap();
    let signal = format!("{}/standby.signal", folder(cluster, tried));
    tried
        .sql(&format!("COPY (SELECT 1) TO '{signal}'"))
        .unwrap();
    tried.stop(Stop::Fast).unwrap();
    cluster.primary().stop(Stop::Fast).unwrap();
    new.promote().unwrap();
    tried.repoint_to(new.addr()).unwrap();
    tried.start().unwrap();
}

/// Puts the disks of the primary and of the second standby back to an earlier moment; the first one keeps what they lost.
fn restore(cluster: &Cluster) {
    let (primary, anew) = (cluster.primary(), cluster.standby(1));
    let both = [primary, anew];
    for node in both {
        let own = folder(cluster, node);
        node.stop(Stop::Fast).unwrap();
        copy(&own, &format!("{own}.before"));
        node.start().unwrap();
    }
    for standby in cluster.standbys() {
        standby.wait_streaming().unwrap();
    }
    primary
        .sql("CREATE TABLE much AS SELECT generate_series(1, 50000) AS n")
        .unwrap();
    cluster.wait_caught_up().unwrap();
    for node in both {
        let own = folder(cluster, node);
        node.stop(Stop::Immediate).unwrap();
        copy(&format!("{own}.before"), &own);
        node.start().unwrap();
    }
    anew.wait_streaming().unwrap();
}

/// Two servers under one name, and a handle whose health checks lead to the first one.
async fn connect_by(primary: &Node, good: &Node, other: &Node) -> (HaProxy, RoutedConnection) {
    let proxy = HaProxy::over(&[good.addr(), other.addr()]).unwrap();
    let replica = format!("{}?name=readers", good.url_at(proxy.addr(), "postgres"));
    for _ in 0..20 {
        let db = RoutedConnection::builder()
            .primary(named(primary))
            .replica(replica.clone())
            .check_interval(50 * MS)
            .connect()
            .await
            .unwrap();
        let why = || {
            let topology = db.cluster().topology();
            let node = topology.nodes.iter().find(|node| node.name == "readers");
            node.unwrap().ineligible
        };
        // Of the other one it may never be known.
        let soon = Instant::now() + 2_000 * MS;
        while why() == Some(Ineligible::NotKnownToBeNear) && Instant::now() < soon {
            tokio::time::sleep(5 * MS).await;
        }
        // The pool has connections to both. Meanwhile the health checks have opened theirs, which may lead elsewhere than the
        // one that the start had.
        let begun = Instant::now();
        while why().is_none() && begun.elapsed() < 500 * MS {
            futures_util::future::join_all((0..6).map(|_| number(&db, SLOW))).await;
        }
        if why().is_none() {
            return (proxy, db);
        }
        db.close().await.unwrap();
        // Connections are dealt in turns, and each handle may make an even number of them, or an odd one.
        for _ in 0..fastrand::usize(..3) {
            drop(std::net::TcpStream::connect(proxy.addr()));
        }
    }
    panic!("the health checks never lead to {}", good.name());
}

/// Writes and reads what was written; how many reads missed some of that.
async fn stale(db: &RoutedConnection, rounds: i64) -> usize {
    let (db, mut stale) = (db.session(), 0);
    for written in 1..=rounds {
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        for _ in 0..5 {
            stale += usize::from(number(&db, COUNT).await < written);
            tokio::time::sleep(5 * MS).await;
        }
    }
    stale
}

/// How many of these reads, which may miss anything, were served by a server that never had what is in the table.
async fn served_elsewhere(db: &RoutedConnection, seen: i64) -> usize {
    let (db, mut elsewhere) = (db.empty_session(), 0);
    for _ in 0..20 {
        let read = futures_util::future::join_all((0..6).map(|_| number(&db, SLOW))).await;
        elsewhere += read.iter().filter(|own| **own != seen).count();
    }
    elsewhere
}

async fn nobody_has_what_is_written(db: &RoutedConnection) {
    for _ in 0..5 {
        let session = db.session();
        session
            .execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        let waited = session.wait_for_replicas(1, 300 * MS).await;
        assert!(waited.is_err(), "no standby has it");
    }
}

async fn stale_of_four(db: &RoutedConnection) -> usize {
    let counted = futures_util::future::join_all((0..4).map(|_| stale(db, 40))).await;
    counted.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_a_server_that_kept_what_a_restore_took_proves_nothing() {
    let cluster = own_cluster(2);
    restore(&cluster);
    let (kept, anew) = (cluster.standby(0), cluster.standby(1));
    let (_proxy, db) = connect_by(cluster.primary(), anew, kept).await;
    assert_eq!(stale_of_four(&db).await, 0);
    // Nor is it a copy of anything, and the other one is none for now.
    anew.pause_replay().unwrap();
    nobody_has_what_is_written(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_a_server_of_a_trial_with_the_primarys_timeline_proves_nothing() {
    let cluster = own_cluster(3);
    let (new, tried, good) = (cluster.standby(0), cluster.standby(1), cluster.standby(2));
    try_out(&cluster, tried, new, true);
    good.repoint(new).unwrap();
    let (_proxy, db) = connect_by(new, good, tried).await;
    assert_eq!(stale_of_four(&db).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_a_server_that_receives_nothing_serves_not_even_reads_that_may_miss_anything()
 {
    let cluster = own_cluster(3);
    let (new, tried, good) = (cluster.standby(0), cluster.standby(1), cluster.standby(2));
    try_out(&cluster, tried, new, true);
    good.repoint(new).unwrap();
    new.sql("INSERT INTO t VALUES (1)").unwrap();
    good.wait_caught_up_with(new).unwrap();
    // It asks in vain, and while it does it cannot be told from one that is sent something.
    tried.set("wal_retrieve_retry_interval", "1h").unwrap();
    until("the one that was tried to receive nothing", async || {
        let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
        tried.sql(receivers).unwrap().trim() == "0"
    })
    .await;
    let (_proxy, db) = connect_by(new, good, tried).await;
    let before = good.statements_with("AS own").unwrap();
    assert_eq!(served_elsewhere(&db, 1).await, 0);
    assert!(
        good.statements_with("AS own").unwrap() > before,
        "the other one serves"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_start_a_standby_that_is_ahead_serves_nothing_before_the_primary_was_asked_again() {
    let cluster = own_cluster(2);
    let (new, tried) = (cluster.standby(0), cluster.standby(1));
    // So little that it streams from the new primary, from the beginning of the same file.
    try_out(&cluster, tried, new, false);
    tried.wait_streaming().unwrap();
    for _ in 0..5 {
        let db = RoutedConnection::builder()
            .primary(named(new))
            .replica(named(tried))
            .connect()
            .await
            .unwrap();
        let before = number(&db.primary(), COUNT).await;
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        for _ in 0..10 {
            assert!(number(&db, COUNT).await > before, "it misses the write");
        }
        db.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_kept_what_a_restore_took_is_no_copy_of_a_write() {
    let cluster = own_cluster(2);
    restore(&cluster);
    let kept = cluster.standby(0);
    let db = RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replica(named(kept))
        .connect()
        .await
        .unwrap();
    nobody_has_what_is_written(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_one_name_a_read_that_must_not_be_old_goes_to_the_primary() {
    let cluster = own_cluster(2);
    let (lags, good) = (cluster.standby(0), cluster.standby(1));
    lags.pause_replay().unwrap();
    cluster.primary().sql("INSERT INTO t VALUES (1)").unwrap();
    good.wait_caught_up_with(cluster.primary()).unwrap();
    let written = Instant::now();
    let (_proxy, db) = connect_by(cluster.primary(), good, lags).await;
    let limit = 1_000 * MS;
    let aged = db.empty_session().with_max_lag(limit);
    until("the row to be older than a read may be", async || {
        written.elapsed() > limit
    })
    .await;
    for _ in 0..10 {
        let read = (0..6).map(|_| number(&aged, SLOW));
        let read = futures_util::future::join_all(read).await;
        assert!(read.iter().all(|seen| *seen == 1), "{read:?}");
    }
}
