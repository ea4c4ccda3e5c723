//! In transaction mode: after each transaction a connection of the server goes to another client (rule I8).

use futures_util::TryStreamExt;
use sea_orm::{AccessMode, ConnectionTrait, StreamTrait, TransactionTrait};
use sealane::{Consistency, Flavour, RoutedConnection};
use sealane_harness::{PgBouncer, PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::{
    fixture::{number, sql},
    heard::{Heard, counter},
    place::until,
};

#[tokio::test]
async fn the_pooler_is_told_once_and_each_read_has_a_read_only_transaction_of_its_own() {
    let place = SLOT.shared("poolers_blocks").await;
    let poolers = Poolers::before(&place, PoolMode::Transaction, StartUpOptions::Dropped);
    let (heard, _listening) = Heard::listen();
    let db = poolers.builder("poolers_blocks").read_functions(["sneak"]);
    let db = db
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    place.others(
        "CREATE TABLE t (n bigint); CREATE FUNCTION sneak() RETURNS text VOLATILE LANGUAGE sql \
         AS $$ SELECT current_setting('transaction_read_only') $$",
    );
    let told = heard.warnings();
    let told = told.iter().filter(|line| line.contains("transaction mode"));
    assert_eq!(told.count(), 3, "{:#?}", heard.warnings());
    let strict = db.replica();
    let row = strict
        .query_one_raw(sql(&db, "SELECT sneak() AS said"))
        .await;
    let said: String = row.unwrap().unwrap().try_get("", "said").unwrap();
    assert_eq!(said, "on");
    // So nothing is lacking.
    assert_eq!(
        counter(&db, "sealane_connections_without_read_only_default_total").await,
        0
    );
}

#[tokio::test]
async fn a_stream_is_refused_outside_of_a_transaction_with_what_to_do() {
    let place = SLOT.shared("poolers_stream").await;
    let poolers = Poolers::before(&place, PoolMode::Transaction, StartUpOptions::Dropped);
    let db = poolers.builder("poolers_stream").connect().await.unwrap();
    let rows = sql(&db, "SELECT n FROM generate_series(1, 3) AS n");
    let refused = match db.stream_raw(rows.clone()).await {
        Err(err) => err,
        Ok(mut stream) => stream.try_next().await.err().unwrap(),
    };
    let refused = refused.to_string();
    assert!(refused.contains("stream inside a transaction"), "{refused}");
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    let stream = txn.stream_raw(rows).await.unwrap();
    let rows: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(rows.len(), 3);
    txn.commit().await.unwrap();
}

/// One that changes its mode is no surprise then: straight to the servers, everything is done as behind one.
#[tokio::test]
async fn a_pooler_that_is_set_is_there_whether_it_can_be_found_or_not() {
    let place = SLOT.shared("poolers_set").await;
    place.others("CREATE TABLE t (n bigint)");
    let builder = place.builder().flavour(Flavour::Pooler);
    let builder = builder.consistency(Consistency::ReadYourWrites);
    let db = builder.connect().await.unwrap();
    assert_eq!(
        db.cluster().topology().flavour,
        Some(Flavour::Postgres),
        "what is behind it"
    );
    for n in 1..=5 {
        let insert = sql(&db, &format!("INSERT INTO t VALUES ({n})"));
        db.execute_raw(insert).await.unwrap();
        assert_eq!(number(&db, "SELECT count(*) FROM t").await, n);
    }
    let rows = sql(&db, "SELECT n FROM t");
    let refused = match db.stream_raw(rows).await {
        Err(err) => err,
        Ok(mut stream) => stream.try_next().await.err().unwrap(),
    };
    let refused = refused.to_string();
    assert!(refused.contains("stream inside a transaction"), "{refused}");
    db.close().await.unwrap();
}

#[tokio::test]
async fn where_prepared_statements_are_told_apart_a_stream_runs_unless_its_session_wrote() {
    if !PgBouncer::tells_prepared_apart().unwrap() {
        println!("not run here: tests/run --pgbouncer trixie poolers");
        return;
    }
    let place = SLOT.shared("poolers_apart").await;
    let poolers = Poolers::before(&place, PoolMode::Prepared, StartUpOptions::Dropped);
    let db = poolers.builder("poolers_apart").connect().await.unwrap();
    let rows = sql(&db, "SELECT n FROM generate_series(1, 3) AS n");
    let stream = db.stream_raw(rows.clone()).await.unwrap();
    let seen: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(seen.len(), 3);
    let session = db.session();
    session
        .execute_unprepared("CREATE TABLE t (n bigint)")
        .await
        .unwrap();
    // It may be on the primary, where a stream that reads is as good as any; never on a standby unproven.
    let before = place.standby(0).statements_with("AS streamed").unwrap();
    let streamed = sql(&db, "SELECT count(*) AS streamed FROM t");
    if let Ok(stream) = session.stream_raw(streamed).await {
        let _: Vec<_> = stream.try_collect().await.unwrap();
    }
    assert_eq!(
        place.standby(0).statements_with("AS streamed").unwrap(),
        before
    );
}

/// The process that had the write serves others by then: none of them is ended, and what it did is found out.
#[tokio::test]
async fn a_write_whose_caller_left_is_followed_in_the_process_that_has_it() {
    let place = SLOT.alone("poolers_lost").await;
    place.others("CREATE TABLE t (n bigint)");
    let poolers = Poolers::before(&place, PoolMode::Transaction, StartUpOptions::Dropped);
    let db = poolers.builder("poolers_lost").connect().await.unwrap();
    let count = "SELECT count(*) FROM t";
    let insert = "INSERT INTO t SELECT 1 FROM pg_sleep(0)";
    db.execute_raw(sql(&db, insert)).await.unwrap();
    let lock = place.primary().clone();
    let held = tokio::task::spawn_blocking(move || {
        lock.sql_in(
            "poolers_lost",
            "BEGIN; LOCK TABLE t IN EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT",
        )
        .unwrap()
    });
    until("the lock", async || {
        place.on(place.primary(), "SELECT count(*) FROM pg_locks WHERE mode = 'ExclusiveLock' AND granted AND relation = 't'::regclass") == "1"
    })
    .await;
    let left = db.execute_raw(sql(&db, insert));
    let left = tokio::time::timeout(std::time::Duration::from_millis(100), left).await;
    assert!(left.is_err(), "it was answered");
    assert_eq!(counter(&db, "sealane_open_writes").await, 1);
    held.await.unwrap();
    // Its transaction ended with its connection.
    until("the write to be over", async || {
        counter(&db, "sealane_open_writes").await == 0
    })
    .await;
    assert_eq!(number(&db, count).await, number(&db.primary(), count).await);
}

/// The question before a text may be answered by another process, whose rest says nothing of the text.
#[tokio::test]
async fn a_text_whose_caller_left_is_not_over_while_its_own_process_is_at_it() {
    let place = SLOT.alone("poolers_text").await;
    place.others("CREATE TABLE t (n bigint)");
    let poolers = Poolers::before(&place, PoolMode::Transaction, StartUpOptions::Dropped);
    let db = poolers.builder("poolers_text").connect().await.unwrap();
    // So that the pooler has several processes to give, in turns.
    let sleeps = (0..4).map(|_| db.execute_unprepared("SELECT pg_sleep(0.2)"));
    futures_util::future::try_join_all(sleeps).await.unwrap();
    let lock = place.primary().clone();
    let held = tokio::task::spawn_blocking(move || {
        let lock_it = "BEGIN; LOCK TABLE t IN EXCLUSIVE MODE; SELECT pg_sleep(3); COMMIT";
        lock.sql_in("poolers_text", lock_it).unwrap()
    });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass";
    let insert = "INSERT INTO t VALUES (1)";
    until("a text that waits for the lock", async || {
        let left = db.execute_unprepared(insert);
        let left = tokio::time::timeout(std::time::Duration::from_millis(300), left).await;
        left.is_err() && place.on(place.primary(), waiting) != "0"
    })
    .await;
    while !held.is_finished() {
        let open = counter(&db, "sealane_open_writes").await;
        assert!(
            open > 0 || place.on(place.primary(), waiting) == "0",
            "it is at it still"
        );
    }
    held.await.unwrap();
}

/// One that may write is asked whose server it is each time: a pooler leads its clients elsewhere while they stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_that_now_leads_to_the_promoted_standby_writes_go_there() {
    static OWN: crate::place::Slot = crate::place::Slot::new(1);
    let place = OWN.alone("poolers_moved").await;
    place.others("CREATE TABLE t (n bigint)");
    let (mode, options) = (PoolMode::Transaction, StartUpOptions::Dropped);
    let mut pooler = PgBouncer::to(place.primary(), mode, options, 10).unwrap();
    let db = RoutedConnection::builder().primary(pooler.url("poolers_moved"));
    let db = db.connect().await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    db.execute_raw(sql(&db, insert)).await.unwrap();
    let standby = place.standby(0).clone();
    place.caught_up();
    tokio::task::spawn_blocking(move || standby.promote().unwrap())
        .await
        .unwrap();
    pooler.point_at(place.standby(0).addr()).unwrap();
    until("a write there", async || {
        let _ = db.execute_raw(sql(&db, insert)).await;
        place.on(place.standby(0), "SELECT count(*) FROM t") == "2"
    })
    .await;
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "1");
}
