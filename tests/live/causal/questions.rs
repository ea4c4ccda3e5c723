//! Whoever waits for a replica is asked for at the pace of the questions, and not at each look (rule C5).

use std::time::{Duration, Instant};

use sea_orm::{AccessMode, ConnectionTrait, TransactionTrait};
use sealane::{Error, OnStale};
use sealane_harness::Node;

use super::{COUNT, SLOT, connect_with, insert};
use crate::{fixture::sql, place::Place};

const WHILE: Duration = Duration::from_secs(1);

/// What a standby is asked of its position, by whatever connection.
const QUESTION: &str = "pg_last_wal_replay_lsn() -";

/// Counts the questions to each standby while somebody waits in vain.
async fn questions<T>(standbys: &[Node], waiting: impl Future<Output = T>) -> T {
    for standby in standbys {
        standby.reset_statements().unwrap();
    }
    let begun = Instant::now();
    let came = waiting.await;
    let took = begun.elapsed();
    assert!(took >= WHILE, "it waited for {took:?} only");
    // One in 5 ms where a server is left to wait, and far fewer elsewhere; at each look it was one in a millisecond.
    let most = took.as_millis() / 5 + 30;
    for standby in standbys {
        let asked = standby.statements_with(QUESTION).unwrap();
        println!("{asked} questions in {took:?}");
        assert!(asked > 0, "nobody asked for it");
        assert!(
            u128::from(asked) <= most,
            "{asked} questions in {took:?}, and {most} would do"
        );
    }
    came
}

async fn connect(place: &Place) -> sealane::RoutedConnection {
    connect_with(place, |builder| {
        builder
            .route_timeout(WHILE)
            .replica_acquire_timeout(WHILE / 2)
    })
    .await
}

#[tokio::test]
async fn waiting_for_replicas_asks_them_no_more_often_than_the_pace() {
    let place = SLOT.alone("questions_replicas").await;
    let db = connect(&place).await;
    let _frozen = place.freeze_replay();
    insert(&db, 1).await;
    let late = questions(
        place.cluster().standbys(),
        db.wait_for_replicas(1, WHILE + Duration::from_millis(100)),
    );
    let late = late.await.unwrap_err();
    assert!(matches!(late, Error::NotReplicated { .. }), "{late}");
}

#[tokio::test]
async fn a_transaction_that_waits_for_its_replica_asks_no_more_often_than_the_pace() {
    let place = SLOT.alone("questions_txn").await;
    let db = connect(&place).await;
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    let _frozen = place.freeze_replay();
    insert(&db, 1).await;
    let reading = txn.query_one_raw(sql(&db, COUNT));
    let late = questions(place.cluster().standbys(), reading).await;
    assert!(late.is_err(), "its snapshot would be stale");
    txn.rollback().await.unwrap();
}

#[tokio::test]
async fn a_read_that_waits_for_a_replica_asks_no_more_often_than_the_pace() {
    let place = SLOT.alone("questions_read").await;
    let db = connect(&place).await;
    let strict = db.with_on_stale(OnStale::Error).with_stale_wait(WHILE * 2);
    let _frozen = place.freeze_replay();
    insert(&db, 1).await;
    let reading = strict.query_one_raw(sql(&db, COUNT));
    let late = questions(place.cluster().standbys(), reading).await;
    assert!(late.is_err(), "no replica has it");
}

/// Without a primary every answer lets such a read look again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_waits_without_a_primary_asks_no_more_often_than_the_pace() {
    let cluster = crate::place::own_cluster(2);
    let db = sealane::RoutedConnection::builder()
        .primary(format!("{}?name=one", cluster.primary().url()))
        .replicas(cluster.standbys().iter().map(Node::url))
        .max_lag(None)
        .route_timeout(WHILE + Duration::from_millis(500))
        .replica_acquire_timeout(WHILE / 2)
        .connect()
        .await
        .unwrap();
    for standby in cluster.standbys() {
        standby.pause_replay().unwrap();
    }
    insert(&db, 1).await;
    // The position is known, and no replica has it.
    db.bookmark().await.unwrap();
    cluster.primary().kill().unwrap();
    crate::place::until("the loss of the primary", async || {
        db.cluster().topology().to_string().contains("unknown")
    })
    .await;
    let reading = db.query_one_raw(sql(&db, COUNT));
    let late = questions(cluster.standbys(), reading).await.unwrap_err();
    let ours = Error::from_db_err(&late).unwrap_or_else(|| panic!("{late}"));
    assert!(matches!(ours, Error::NotCaughtUp { .. }), "{late}");
}
