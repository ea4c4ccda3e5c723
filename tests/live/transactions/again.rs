//! Closures that run again, and those that do not (rule R12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, IsolationLevel, TransactionError};
use sealane::{Error, Outcome, RetryPolicy, RoutedConnection, RoutedTransaction};

use super::{slow_commit::SlowCommit, start};
use crate::{fixture::number, heard::counter};

type Done = Result<(), TransactionError<DbErr>>;

fn policy() -> RetryPolicy {
    RetryPolicy::default().with_pauses(Duration::from_millis(1), Duration::from_millis(20))
}

/// Sends these, and says how often that was begun. What is only for the first time stands behind `first:`, what somebody else
/// sends meanwhile behind `other:`.
async fn send(
    db: &RoutedConnection,
    policy: RetryPolicy,
    texts: &'static [&'static str],
) -> (Done, u32) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let beside = db.clone();
    let policy = policy.with_isolation_level(IsolationLevel::RepeatableRead);
    let done = db.transaction_with_retry(policy, move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            for text in texts {
                if let Some(first) = text.strip_prefix("first: ") {
                    if run == 0 {
                        txn.execute_unprepared(first).await?;
                    }
                } else if let Some(other) = text.strip_prefix("other: ") {
                    beside.execute_unprepared(other).await?;
                } else {
                    txn.execute_unprepared(text).await?;
                }
            }
            Ok(())
        })
    });
    (done.await, runs.load(Relaxed))
}

/// An error of the application's own that is transparent: it shows what SeaORM's had as its source.
#[derive(Debug)]
struct OrderError(DbErr);

impl std::fmt::Display for OrderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the order could not be placed")
    }
}

impl std::error::Error for OrderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

async fn add_one(txn: &RoutedTransaction) -> Result<(), OrderError> {
    let before = number(txn, "SELECT count(*) FROM t").await;
    let text = format!("INSERT INTO t VALUES ({before})");
    let done = txn.execute_unprepared(&text).await;
    done.map(drop).map_err(OrderError)
}

/// Each reads how many there are, and writes that: only one after the other there are none twice.
#[tokio::test]
async fn transactions_that_are_in_each_others_way_are_all_done_once() {
    let (place, db) = start("again_serializable").await;
    place.others(
        "ALTER TABLE late DROP CONSTRAINT late_id_fkey; ALTER TABLE t DROP CONSTRAINT t_pkey",
    );
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let policy = policy()
                    .with_attempts(100)
                    .with_isolation_level(IsolationLevel::Serializable);
                for _ in 0..5 {
                    let done =
                        db.transaction_with_retry(policy.clone(), |txn| Box::pin(add_one(txn)));
                    done.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let distinct = number(&db.primary(), "SELECT count(DISTINCT id) FROM t").await;
    let all = number(&db.primary(), "SELECT count(*) FROM t").await;
    assert_eq!((all, distinct), (20, 20));
    assert!(counter(&db, "sealane_retries_total").await > 0);
}

#[tokio::test]
async fn a_connection_that_is_lost_before_commit_lets_the_closure_run_again() {
    let (place, db) = start("again_lost").await;
    let texts = &[
        "INSERT INTO t VALUES (1)",
        // The server ends the session, in which the row was.
        "first: SELECT pg_terminate_backend(pg_backend_pid())",
    ];
    let (done, runs) = send(&db, policy(), texts).await;
    done.unwrap();
    assert_eq!(runs, 2);
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "1");
}

/// The row is there; a second attempt would have written it twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_an_answer_is_never_sent_again() {
    let (slow, db) = SlowCommit::start("again_unknown").await;
    let working = tokio::spawn({
        let db = db.clone();
        async move { send(&db, policy(), &["INSERT INTO log VALUES (1)"]).await }
    });
    slow.cut().await;
    let (done, runs) = working.await.unwrap();
    let TransactionError::Connection(err) = done.unwrap_err() else {
        panic!("it failed before its COMMIT");
    };
    assert_eq!(
        Error::from_db_err(&err).unwrap().outcome(),
        Outcome::Unknown,
        "{err}"
    );
    assert_eq!(runs, 1);
    assert_eq!(slow.rows().await, "1");
}

#[tokio::test]
async fn what_will_not_change_by_itself_is_not_tried_again() {
    let (place, db) = start("again_others").await;
    place.others("CREATE TABLE number (n bigint); INSERT INTO number VALUES (0)");
    let cases: [(&[&str], u32); 3] = [
        // A key that is there already.
        (&["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"], 1),
        // What was before it is stored: nobody may do that twice.
        (
            &[
                "INSERT INTO late VALUES (NULL)",
                "COMMIT",
                "BEGIN ISOLATION LEVEL REPEATABLE READ",
                "SELECT n FROM number",
                "other: UPDATE number SET n = n + 1",
                "UPDATE number SET n = n + 1",
            ],
            1,
        ),
        (
            &[
                "SELECT n FROM number",
                "other: UPDATE number SET n = n + 1",
                "UPDATE number SET n = n + 1",
            ],
            3,
        ),
    ];
    for (texts, expected) in cases {
        let (done, runs) = send(&db, policy().with_attempts(3), texts).await;
        let err = done.unwrap_err();
        assert_eq!(runs, expected, "{texts:?}: {err}");
    }
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM late"), "1");
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "0");
}
