//! `SEALANE_MODE=shadow`: nothing moves, and it is told what would have.

use std::time::Duration;

use futures_util::StreamExt;
use sea_orm::{AccessMode, ConnectionTrait, StreamTrait, TransactionTrait};
use sealane::{Consistency, Error, Mode, OnStale, Reason, Role, RoutedConnection};
use sealane_harness::{Node, Stop};

use crate::{
    causal::bookmarks::changed,
    fixture::{number, sql},
    place::{Slot, own_cluster, until},
};

static SLOT: Slot = Slot::new(1);

const READ: &str = "SELECT count(*) FROM t";

/// How many sessions of this database a server has on which a read of the test ran last.
fn readers(node: &Node, database: &str) -> u64 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '%FROM t%'"
    );
    node.sql(&sql).unwrap().trim().parse().unwrap()
}

/// How many statements the primary would have kept for this reason.
fn kept(db: &RoutedConnection, reason: Reason) -> u64 {
    let report = db.cluster().shadow_report();
    let found = report.primary.iter().find(|kept| kept.reason == reason);
    found.map_or(0, |kept| kept.statements)
}

#[tokio::test]
async fn everything_goes_to_the_primary_and_the_report_says_what_would_have_gone_elsewhere() {
    let place = SLOT.shared("shadow").await;
    place.others(
        "CREATE TABLE t (n bigint); \
         CREATE FUNCTION mine() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$",
    );
    let builder = place.builder().mode(Mode::Shadow);
    let db = builder.connect().await.unwrap();
    // What would happen without the mode is told by `explain` all the time.
    until("a replica that would serve", async || {
        db.explain(READ).reason == Reason::Replica
    })
    .await;
    for _ in 0..5 {
        assert_eq!(number(&db, READ).await, 0);
    }
    assert_eq!(number(&db.replica(), READ).await, 0);
    let read_only = Some(AccessMode::ReadOnly);
    let txn = db.begin_with_config(None, read_only).await.unwrap();
    assert_eq!(txn.role(), Role::Primary);
    assert_eq!(number(&txn, READ).await, 0);
    txn.commit().await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            number(&db, "SELECT mine() FROM generate_series(1, 1) LIMIT 1").await,
            1
        );
    }
    db.query_one_raw(sql(&db, "SELECT broken FROM WHERE 'hidden'"))
        .await
        .unwrap_err();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let err = db
        .replica()
        .execute_unprepared("INSERT INTO t VALUES (2)")
        .await;
    let err = err.unwrap_err();
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::NotARead { .. })),
        "{err}"
    );

    assert_eq!(readers(place.standby(0), "shadow"), 0);
    let report = db.cluster().shadow_report();
    // Five of the plain handle, one of replica(), one transaction.
    assert_eq!(report.replica, 7, "{report}");
    let count = |reason| kept(&db, reason);
    assert_eq!(count(Reason::UnknownFunction), 3, "{report}");
    assert_eq!(count(Reason::Unparsed), 1, "{report}");
    assert_eq!(count(Reason::Execute), 1, "{report}");
    let unknown = &report.unrecognised[0];
    assert_eq!(
        (unknown.statements, unknown.reason),
        (3, Reason::UnknownFunction)
    );
    assert!(unknown.part.contains("mine"), "{report}");
    assert!(!report.to_string().contains("hidden"), "{report}");
    assert!(
        report
            .to_string()
            .starts_with("of 12 statements, replicas would have served 7 (58 %)\n"),
        "{report}"
    );
}

/// A mode that only looks may not make anything depend on what it looks at.
#[tokio::test]
async fn a_replica_that_is_gone_is_nothing_to_an_application_that_stays_on_the_primary() {
    let cluster = own_cluster(1);
    let db = sealane::RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replica(cluster.standby(0).url())
        .mode(Mode::Shadow);
    let db = db.connect().await.unwrap();
    cluster.standby(0).stop(Stop::Immediate).unwrap();
    for n in 0..20 {
        let text = format!("INSERT INTO t VALUES ({n})");
        db.execute_unprepared(&text).await.unwrap();
        assert_eq!(number(&db, READ).await, n + 1);
        assert_eq!(number(&db.replica(), READ).await, n + 1);
    }
    until("that it would not have served", async || {
        number(&db, READ).await;
        let report = db.cluster().shadow_report();
        report
            .primary
            .iter()
            .any(|kept| kept.reason == Reason::NoReplica)
    })
    .await;
    // Without the mode that is an error, and a reason to look.
    let would_fail = || kept(&db, Reason::NoReplica);
    let before = would_fail();
    number(&db.replica(), READ).await;
    assert_eq!(would_fail(), before + 1);
}

/// Diverted reads have a share of the primary's connections; here nothing was diverted.
#[tokio::test]
async fn reads_have_the_whole_pool_whatever_becomes_of_the_replicas() {
    let place = SLOT.shared("shadow_pool").await;
    place.others("CREATE TABLE t (n bigint)");
    let builder = sealane::RoutedConnection::builder()
        .primary(place.primary_url())
        .replica("postgres://nobody@127.0.0.1:1/shadow_pool")
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(5));
    let db = builder.mode(Mode::Shadow).connect().await.unwrap();
    until("that no replica would serve", async || {
        db.explain(READ).reason == Reason::NoReplica
    })
    .await;
    let rows = "SELECT n FROM generate_series(1, 100000) n";
    let mut held = db.stream_raw(sql(&db, rows)).await.unwrap();
    held.next().await.unwrap().unwrap();
    assert_eq!(kept(&db, Reason::NoReplica), 1);
    assert_eq!(number(&db, READ).await, 0);
}

/// What a replica would have to know is nothing to a read that stays on the primary.
#[tokio::test]
async fn a_bookmark_that_nobody_can_judge_keeps_no_read_from_the_primary() {
    let place = SLOT.shared("shadow_bookmark").await;
    place.others("CREATE TABLE t (n bigint)");
    let db = place.builder().mode(Mode::Shadow);
    let db = db.consistency(Consistency::ReadYourWrites);
    let db = db.on_stale(OnStale::Error).connect().await.unwrap();
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let ours = db.bookmark().await.unwrap();
    let foreign = changed(ours, 1, |cluster| cluster ^ 1);
    assert_eq!(number(&db.session_from(&foreign), READ).await, 1);
}

#[tokio::test]
async fn a_read_that_is_sent_again_is_counted_once() {
    let place = SLOT.shared("shadow_again").await;
    place.others("CREATE TABLE t (n bigint)");
    let db = place.builder().mode(Mode::Shadow).connect().await.unwrap();
    until("a replica that would serve", async || {
        db.explain(READ).reason == Reason::Replica
    })
    .await;
    let holder = place.builder().connect().await.unwrap();
    let holder = holder.begin().await.unwrap();
    holder.execute_unprepared("LOCK TABLE t").await.unwrap();
    let reading = tokio::spawn({
        let db = db.clone();
        async move { number(&db, READ).await }
    });
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE datname = 'shadow_again' AND wait_event_type = 'Lock'";
    until("the read to wait, and to be ended", async || {
        place.on(place.primary(), ended) == "1"
    })
    .await;
    holder.rollback().await.unwrap();
    assert_eq!(reading.await.unwrap(), 0);
    assert_eq!(db.cluster().shadow_report().replica, 1);
}
