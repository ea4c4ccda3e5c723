//! Closures whose transaction is in another one's way in other places than a statement of their own, and how often they run
//! (rule R12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, IsolationLevel, TransactionError};
use sealane::{RetryPolicy, RoutedConnection};

use super::{SLOT, start};
use crate::{fixture::number, heard::counter, place::Place};

const CHANGE: &str = "UPDATE number SET n = n + 1";

fn policy() -> RetryPolicy {
    let policy =
        RetryPolicy::default().with_pauses(Duration::from_millis(1), Duration::from_millis(20));
    policy.with_isolation_level(IsolationLevel::RepeatableRead)
}

/// A table of one number, and one whose rows change it at their transaction's COMMIT.
fn tables(place: &Place) {
    place.others(
        "CREATE TABLE number (n bigint); INSERT INTO number VALUES (0); \
         CREATE TABLE log (n bigint); \
         CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN UPDATE number SET n = n + 1; RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER change AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION change()",
    );
}

/// Each time somebody else is quicker, so many times.
async fn late(
    db: &RoutedConnection,
    policy: RetryPolicy,
    times: u32,
) -> (Result<(), TransactionError<DbErr>>, u32) {
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, beside) = (Arc::clone(&runs), db.clone());
    let done = db.transaction_with_retry(policy, move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            number(txn, "SELECT n FROM number").await;
            if run < times {
                beside.execute_unprepared(CHANGE).await?;
            }
            let text = "INSERT INTO log VALUES (1)";
            txn.execute_unprepared(text).await.map(drop)
        })
    });
    (done.await, runs.load(Relaxed))
}

#[tokio::test]
async fn a_commit_that_is_refused_as_not_serializable_lets_the_closure_run_again() {
    let (place, db) = start("again_commit").await;
    tables(&place);
    let (done, runs) = late(&db, policy(), 2).await;
    done.unwrap();
    assert_eq!(runs, 3);
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM log"), "1");
    assert_eq!(counter(&db, "sealane_retries_total").await, 2);
}

#[tokio::test]
async fn a_deadlock_lets_the_closure_run_again() {
    let (place, db) = start("again_deadlock").await;
    place.others(
        "ALTER DATABASE again_deadlock SET deadlock_timeout = '50ms'; \
         CREATE TABLE two (id bigint PRIMARY KEY, n bigint); INSERT INTO two VALUES (1, 0), (2, 0)",
    );
    let fresh = place.builder().connect().await.unwrap();
    drop(db);
    let runs = Arc::new(AtomicU32::new(0));
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let change = |id: i64| format!("UPDATE two SET n = n + 1 WHERE id = {id}");
    let work = |first: i64, second: i64| {
        let (counted, barrier) = (Arc::clone(&runs), Arc::clone(&barrier));
        let db = fresh.clone();
        async move {
            let meets = Arc::new(AtomicU32::new(0));
            let done = db.transaction_with_retry(RetryPolicy::default(), move |txn| {
                counted.fetch_add(1, Relaxed);
                let (is_first, barrier) = (meets.fetch_add(1, Relaxed) == 0, Arc::clone(&barrier));
                Box::pin(async move {
                    txn.execute_unprepared(&change(first)).await?;
                    if is_first {
                        barrier.wait().await;
                    }
                    txn.execute_unprepared(&change(second)).await.map(drop)
                })
            });
            done.await
        }
    };
    let (one, other) = tokio::join!(work(1, 2), work(2, 1));
    one.unwrap();
    other.unwrap();
    assert_eq!(runs.load(Relaxed), 3, "one of the two was ended once");
    assert_eq!(place.on(place.primary(), "SELECT sum(n) FROM two"), "4");
}

#[tokio::test]
async fn a_closure_runs_no_oftener_than_its_policy_and_the_budget_allow() {
    let place = SLOT.shared("again_budget").await;
    tables(&place);
    let db = place.builder().connect().await.unwrap();
    for attempts in [0, 1, 2] {
        let (done, runs) = late(&db, policy().with_attempts(attempts), 9).await;
        done.unwrap_err();
        assert_eq!(runs, attempts.max(1));
    }
    let builder = place.builder().retry_percent(0).retries_per_second(0);
    let db = builder.connect().await.unwrap();
    let (done, runs) = late(&db, policy(), 9).await;
    done.unwrap_err();
    assert_eq!(runs, 1);
    assert_eq!(counter(&db, "sealane_retries_total").await, 0);
}
