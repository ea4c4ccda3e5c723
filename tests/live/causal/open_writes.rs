//! Writes whose caller has gone (rule C1).

use sea_orm::{ConnectionTrait, StreamTrait, TransactionTrait};
use sealane::Reason;

use super::{COUNT, SLOT, connect, insert, reason, until_on_a_replica};
use crate::{
    fixture::{number, sql},
    place::until,
};

/// How many wait for a lock on the primary.
const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE NOT granted";

#[tokio::test]
async fn a_write_whose_future_was_dropped_is_open_until_its_server_has_answered() {
    let place = SLOT.alone("causal_dropped").await;
    let db = connect(&place).await;
    let (session, other_session) = (db.session(), db.session());
    let other = sea_orm::Database::connect(place.primary_url())
        .await
        .unwrap();
    let holder = other.begin().await.unwrap();
    holder
        .execute_unprepared("LOCK TABLE t IN SHARE MODE")
        .await
        .unwrap();
    let write = session.execute_unprepared("INSERT INTO t VALUES (1)");
    tokio::select! {
        ended = write => panic!("{ended:?}"),
        () = until("the write to wait", async || place.on(place.primary(), WAITING) != "0") => {}
    }
    for db in [&session, &db] {
        assert_eq!(reason(db), Reason::NotCaughtUp);
        assert_eq!(number(db, COUNT).await, 0);
    }
    assert_eq!(reason(&other_session), Reason::Replica, "it is not its own");
    let frozen = place.freeze_replay();
    holder.rollback().await.unwrap();
    until("the abandoned write", async || {
        number(&session, COUNT).await == 1
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&session, COUNT).await, 1);
        assert_eq!(number(&db, COUNT).await, 1);
    }
    drop(frozen);
    // It closed when its connection was ready again, so nobody waits for a time-out.
    until_on_a_replica(&session, 1).await;
    until_on_a_replica(&db, 1).await;
}

#[tokio::test]
async fn a_stream_of_inserts_that_is_dropped_half_read_is_open_until_its_server_has_answered() {
    let place = SLOT.alone("causal_half_read").await;
    let db = connect(&place).await;
    let many = "INSERT INTO t SELECT n FROM generate_series(1, 20000) AS n RETURNING n";
    let mut stream = db.stream_raw(sql(&db, many)).await.unwrap();
    futures_util::StreamExt::next(&mut stream)
        .await
        .unwrap()
        .unwrap();
    let frozen = place.freeze_replay();
    drop(stream);
    until("the rest of the rows", async || {
        number(&db, COUNT).await == 20_000
    })
    .await;
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 20_000);
    }
    drop(frozen);
    until_on_a_replica(&db, 20_000).await;
}

#[tokio::test]
async fn a_session_that_is_dropped_with_a_write_under_way_takes_nothing_with_it() {
    let place = SLOT.alone("causal_gone").await;
    let db = connect(&place).await;
    let write = {
        let session = db.session();
        tokio::spawn(async move { insert(&session, 1).await })
    };
    write.await.unwrap();
    assert_eq!(number(&db, COUNT).await, 1, "the process sees it");
    until_on_a_replica(&db, 1).await;
}
