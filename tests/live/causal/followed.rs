//! What was handed to a server and lost from sight is followed to its end, and no further (rule C1).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
use sealane::{Error, Outcome, Reason, RoutedConnection};
use sealane_harness::Forwarder;

use super::{COUNT, SLOT, connect, insert, reason, until_on_a_replica};
use crate::{
    fixture::number,
    place::{Place, until},
};

/// How many wait for a lock on the primary.
const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted";

/// A COMMIT that takes its time at the server.
const SLOW_COMMIT: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
     $$BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END$$; \
     CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
     FOR EACH ROW EXECUTE FUNCTION slow()";

const COMMITTING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'";

/// A handle that reaches the primary through something that can be cut.
async fn connect_through(place: &Place) -> (RoutedConnection, Forwarder) {
    let wire = Forwarder::to(place.primary().addr()).unwrap();
    let url = place.primary_url().replace(
        &place.primary().addr().to_string(),
        &wire.addr().to_string(),
    );
    place.others("CREATE TABLE t (n bigint)");
    let builder = RoutedConnection::builder().primary(url);
    let db = builder
        .replicas(place.replica_urls())
        .connect()
        .await
        .unwrap();
    until("the first samples", async || reason(&db) == Reason::Replica).await;
    (db, wire)
}

async fn holder(place: &Place) -> DatabaseConnection {
    sea_orm::Database::connect(place.primary_url())
        .await
        .unwrap()
}

/// The primary is thrown out for a moment when its connections break.
async fn until_held(db: &RoutedConnection) {
    until("the primary's return", async || {
        reason(db) == Reason::NotCaughtUp
    })
    .await;
}

async fn lock(other: &DatabaseConnection) -> sea_orm::DatabaseTransaction {
    let held = other.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE t IN SHARE MODE")
        .await
        .unwrap();
    held
}

#[tokio::test]
async fn a_commit_whose_future_was_dropped_is_over_when_its_server_has_answered() {
    let place = SLOT.alone("causal_commit_dropped").await;
    let db = connect(&place).await;
    place.others(SLOW_COMMIT);
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let frozen = place.freeze_replay();
    tokio::select! {
        ended = txn.commit() => panic!("{ended:?}"),
        () = until("COMMIT", async || place.on(place.primary(), COMMITTING) != "0") => {}
    }
    assert_eq!(reason(&db), Reason::NotCaughtUp);
    until("the commit", async || number(&db, COUNT).await == 1).await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    drop(frozen);
    until_on_a_replica(&db, 1).await;
}

#[tokio::test]
async fn a_write_that_was_lost_is_over_when_its_backend_is_gone_and_not_before() {
    let place = SLOT.alone("causal_lost").await;
    let (db, wire) = connect_through(&place).await;
    insert(&db, 1).await;
    let other = holder(&place).await;
    let held = lock(&other).await;
    let write = {
        let db = db.clone();
        tokio::spawn(async move { db.execute_unprepared("INSERT INTO t VALUES (2)").await })
    };
    until("the write to wait", async || {
        place.on(place.primary(), WAITING) != "0"
    })
    .await;
    wire.disconnect();
    let lost = write.await.unwrap().unwrap_err();
    assert_eq!(
        Error::from_db_err(&lost).unwrap().outcome(),
        Outcome::Unknown,
        "{lost}"
    );
    until_held(&db).await;
    // Longer than any probe or question takes, and it is under way all the time.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(reason(&db), Reason::NotCaughtUp);
    }
    let frozen = place.freeze_replay();
    held.rollback().await.unwrap();
    until("the lost write", async || {
        place.on(place.primary(), COUNT) == "2"
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 2);
    }
    drop(frozen);
    until_on_a_replica(&db, 2).await;
}

#[tokio::test]
async fn a_commit_that_was_lost_is_over_when_its_transaction_is() {
    let place = SLOT.alone("causal_commit_lost").await;
    let (db, wire) = connect_through(&place).await;
    place.others(&SLOW_COMMIT.replace("0.3", "1"));
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let commit = tokio::spawn(txn.commit());
    until("COMMIT", async || {
        place.on(place.primary(), COMMITTING) != "0"
    })
    .await;
    wire.disconnect();
    let lost = commit.await.unwrap().unwrap_err();
    assert_eq!(
        Error::from_db_err(&lost).unwrap().outcome(),
        Outcome::Unknown,
        "{lost}"
    );
    let frozen = place.freeze_replay();
    until_held(&db).await;
    until("the lost commit", async || {
        place.on(place.primary(), COUNT) == "1"
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    drop(frozen);
    until_on_a_replica(&db, 1).await;
}

#[tokio::test]
async fn a_write_whose_backend_was_ended_holds_nobody_up() {
    let place = SLOT.alone("causal_terminated").await;
    let (db, wire) = connect_through(&place).await;
    let session = db.session();
    insert(&session, 1).await;
    let other = holder(&place).await;
    let held = lock(&other).await;
    let write = {
        let session = session.clone();
        tokio::spawn(async move { session.execute_unprepared("INSERT INTO t VALUES (2)").await })
    };
    until("the write to wait", async || {
        place.on(place.primary(), WAITING) != "0"
    })
    .await;
    wire.disconnect();
    write.await.unwrap().unwrap_err();
    until_held(&session).await;
    place.on(
        place.primary(),
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted",
    );
    until_on_a_replica(&session, 1).await;
    until_on_a_replica(&db, 1).await;
    held.rollback().await.unwrap();
}

/// It is the long form of the others: with a limit of 30 s in between, what commits then was missed.
#[tokio::test]
async fn however_late_an_abandoned_write_commits_it_is_seen() {
    if !sealane_harness::long_form() {
        return;
    }
    let place = SLOT.alone("causal_late").await;
    let db = connect(&place).await;
    let other = holder(&place).await;
    let held = lock(&other).await;
    let write = db.execute_unprepared("INSERT INTO t VALUES (1)");
    tokio::select! {
        ended = write => panic!("{ended:?}"),
        () = until("the write to wait", async || place.on(place.primary(), WAITING) != "0") => {}
    }
    tokio::time::sleep(Duration::from_secs(33)).await;
    assert_eq!(reason(&db), Reason::NotCaughtUp);
    let frozen = place.freeze_replay();
    held.rollback().await.unwrap();
    until("the abandoned write", async || {
        place.on(place.primary(), COUNT) == "1"
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    drop(frozen);
    until_on_a_replica(&db, 1).await;
}
