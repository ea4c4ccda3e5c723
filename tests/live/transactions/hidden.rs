//! Closures that hide from their transaction what became of it, or that it writes (rules R12 and C1).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, TransactionError, TransactionTrait,
};
use sealane::{Error, Outcome, Reason, RetryPolicy, RoutedConnection};

use super::{SLOT, slow_commit::SlowCommit, start};
use crate::{
    fixture::{number, sql},
    place::{Place, until},
};

const CHANGE: &str = "UPDATE number SET n = n + 1";

fn policy() -> RetryPolicy {
    let policy =
        RetryPolicy::default().with_pauses(Duration::from_millis(1), Duration::from_millis(20));
    policy.with_isolation_level(IsolationLevel::RepeatableRead)
}

async fn with_a_number(database: &str) -> (Place, RoutedConnection) {
    let (place, db) = start(database).await;
    place.others("CREATE TABLE number (n bigint); INSERT INTO number VALUES (0)");
    (place, db)
}

/// PostgreSQL has rolled it back, whatever the closure makes of that.
#[tokio::test]
async fn a_serialization_failure_that_the_closure_swallows_lets_it_run_again() {
    let (place, db) = with_a_number("again_swallowed").await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, beside) = (Arc::clone(&runs), db.clone());
    let done = db.transaction_with_retry(policy(), move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            txn.execute_unprepared("INSERT INTO t VALUES (1)").await?;
            number(txn, "SELECT n FROM number").await;
            if run == 0 {
                beside.execute_unprepared(CHANGE).await?;
            }
            let _ = txn.execute_unprepared(CHANGE).await;
            // What the server says to whatever comes next is not why.
            let _ = txn.execute_unprepared(CHANGE).await;
            Ok::<_, DbErr>(())
        })
    });
    done.await.unwrap();
    assert_eq!(runs.load(Relaxed), 2);
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "1");
    assert_eq!(place.on(place.primary(), "SELECT n FROM number"), "3");

    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let done = db.transaction_with_retry(policy(), move |txn| {
        counted.fetch_add(1, Relaxed);
        Box::pin(async move {
            let _ = txn.execute_unprepared("INSERT INTO t VALUES (1)").await;
            Ok::<_, DbErr>(())
        })
    });
    let Err(TransactionError::Connection(err)) = done.await else {
        panic!("an aborted transaction was stored");
    };
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::CommitAborted { .. })),
        "{err}"
    );
    assert_eq!(runs.load(Relaxed), 1, "a key that is there stays there");
}

/// The error of a nested transaction has no source.
#[tokio::test]
async fn what_fails_in_a_nested_transaction_lets_the_outer_closure_run_again() {
    let (place, db) = with_a_number("again_nested").await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, beside) = (Arc::clone(&runs), db.clone());
    let done = db.transaction_with_retry(policy(), move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            let add = async |text: &str| {
                let added = txn.execute_unprepared(text).await;
                added.map_err(TransactionError::Connection)
            };
            add("INSERT INTO t VALUES (1)").await?;
            number(txn, "SELECT n FROM number").await;
            if run == 0 {
                let other = beside.execute_unprepared(CHANGE).await;
                other.map_err(TransactionError::Connection)?;
            }
            let nested = txn.transaction(|inner| {
                Box::pin(async move { inner.execute_unprepared(CHANGE).await.map(drop) })
            });
            nested.await
        })
    });
    done.await.unwrap();
    assert_eq!(runs.load(Relaxed), 2);
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "1");
}

/// Declared read only, and then not: what it wrote may be stored, and is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_takes_its_declaration_back_counts_as_one_that_writes() {
    let (slow, db) = SlowCommit::start("again_lifted").await;
    let runs = Arc::new(AtomicU32::new(0));
    let working = tokio::spawn({
        let (db, counted) = (db.clone(), Arc::clone(&runs));
        async move {
            let policy = RetryPolicy::default().with_access_mode(AccessMode::ReadOnly);
            let done = db.transaction_with_retry(policy, move |txn| {
                counted.fetch_add(1, Relaxed);
                Box::pin(async move {
                    txn.execute_unprepared("SET TRANSACTION READ WRITE").await?;
                    let text = "INSERT INTO log VALUES (1)";
                    txn.execute_unprepared(text).await.map(drop)
                })
            });
            done.await
        }
    });
    slow.cut().await;
    let Err(TransactionError::Connection(err)) = working.await.unwrap() else {
        panic!("its COMMIT was lost");
    };
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert_eq!(ours.outcome(), Outcome::Unknown, "{err}");
    assert_eq!(runs.load(Relaxed), 1);
    assert_eq!(slow.rows().await, "1");
}

#[tokio::test]
async fn what_a_lifted_transaction_wrote_is_seen_by_its_reader() {
    let place = SLOT.alone("again_lifted_seen").await;
    place.others("CREATE TABLE t (id bigint PRIMARY KEY)");
    let db = place.builder();
    let db = db.consistency(sealane::Consistency::ReadYourWrites);
    let db = db.connect().await.unwrap();
    const COUNT: &str = "SELECT count(*) FROM t";
    until("a replica that serves", async || {
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    place.standby(0).pause_replay().unwrap();
    let begun = db.primary();
    let txn = begun.begin_with_config(None, Some(AccessMode::ReadOnly));
    let txn = txn.await.unwrap();
    txn.execute_unprepared("SET TRANSACTION READ WRITE")
        .await
        .unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    txn.commit().await.unwrap();
    let seen = db.query_one_raw(sql(&db, COUNT)).await;
    place.standby(0).resume_replay().unwrap();
    let seen: i64 = seen.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(seen, 1, "a stale read of its own write");
}
