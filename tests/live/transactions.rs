//! Transactions on PostgreSQL: what their ends mean (rule R9).

mod again;
mod collide;
mod hidden;
mod levels;
mod slow_commit;

use sea_orm::{ConnectionTrait, DbErr, TransactionError, TransactionTrait};
use sealane::{Error, Outcome, RoutedConnection};

use crate::place::{Place, Slot};

static SLOT: Slot = Slot::new(1);

async fn start(database: &str) -> (Place, RoutedConnection) {
    let place = SLOT.shared(database).await;
    place.others(
        "CREATE TABLE t (id bigint PRIMARY KEY);
         CREATE TABLE late (id bigint REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)",
    );
    let db = place.builder().connect().await.unwrap();
    (place, db)
}

async fn insert(db: &impl ConnectionTrait, id: i64) -> Result<(), DbErr> {
    let text = format!("INSERT INTO t VALUES ({id})");
    db.execute_unprepared(&text).await.map(drop)
}

fn stored(place: &Place) -> String {
    place.on(
        place.primary(),
        "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM t",
    )
}

#[tokio::test]
async fn a_failed_nested_begin_poisons_the_whole_transaction() {
    let (place, db) = start("txn_poisoned").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    insert(&txn, 1).await.unwrap_err();
    // In an aborted transaction no savepoint can be set.
    let err = txn.begin().await.unwrap_err();
    assert!(
        err.to_string().contains("current transaction is aborted"),
        "{err}"
    );
    for err in [
        insert(&txn, 2).await.unwrap_err(),
        txn.begin().await.unwrap_err(),
        txn.commit().await.unwrap_err(),
    ] {
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionPoisoned), "{err}");
        assert_eq!(ours.outcome(), Outcome::NotExecuted);
    }
    assert_eq!(stored(&place), "");
    // The connection came back clean.
    insert(&db, 3).await.unwrap();
    assert_eq!(stored(&place), "3");

    let txn = db.begin().await.unwrap();
    insert(&txn, 3).await.unwrap_err();
    txn.begin().await.unwrap_err();
    txn.rollback().await.unwrap();
    assert_eq!(stored(&place), "3");
}

#[tokio::test]
async fn commit_of_an_aborted_transaction_is_an_error() {
    let (place, db) = start("txn_aborted").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    insert(&txn, 1).await.unwrap_err();
    let err = txn.commit().await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(
        matches!(ours, Error::CommitAborted { node } if node == "primary"),
        "{err}"
    );
    assert_eq!(ours.outcome(), Outcome::NotExecuted);

    // A closure that swallows the error is told as well, with SeaORM's own transaction inside.
    let swallowed = db
        .transaction_async(async |txn| {
            insert(txn, 2).await?;
            let _ = insert(txn.concrete(), 2).await;
            Ok::<_, DbErr>(())
        })
        .await;
    let Err(TransactionError::Connection(err)) = swallowed else {
        panic!("{swallowed:?}");
    };
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::CommitAborted { .. })),
        "{err}"
    );
    assert_eq!(stored(&place), "");
}

#[tokio::test]
async fn a_savepoint_rolled_back_leaves_a_transaction_that_commits() {
    let (place, db) = start("txn_savepoint").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    let inner = txn.begin().await.unwrap();
    insert(&inner, 2).await.unwrap();
    insert(&inner, 1).await.unwrap_err();
    inner.rollback().await.unwrap();
    insert(&txn, 3).await.unwrap();
    let dropped = txn.begin().await.unwrap();
    insert(&dropped, 4).await.unwrap();
    drop(dropped);
    let inner = txn.begin().await.unwrap();
    insert(&inner, 5).await.unwrap();
    inner.commit().await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(stored(&place), "1,3,5");
}

#[tokio::test]
async fn a_savepoint_with_an_error_in_it_is_undone_and_its_commit_says_so() {
    let (place, db) = start("txn_release").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    let inner = txn.begin().await.unwrap();
    insert(&inner, 2).await.unwrap();
    insert(&inner, 1).await.unwrap_err();
    let err = inner.commit().await.unwrap_err();
    assert!(
        err.to_string().contains("current transaction is aborted"),
        "{err}"
    );
    txn.commit().await.unwrap();
    assert_eq!(stored(&place), "1");
}

#[tokio::test]
async fn what_the_server_says_at_commit_comes_unchanged() {
    let (place, db) = start("txn_deferred").await;
    let txn = db.begin().await.unwrap();
    insert(&txn, 1).await.unwrap();
    txn.execute_unprepared("INSERT INTO late VALUES (9)")
        .await
        .unwrap();
    let err = txn.commit().await.unwrap_err();
    assert!(
        matches!(
            err.sql_err(),
            Some(sea_orm::SqlErr::ForeignKeyConstraintViolation(_))
        ),
        "{err}"
    );
    assert!(Error::from_db_err(&err).is_none());
    assert_eq!(stored(&place), "");
}

/// Polls so many times and then drops it; true when it had come to its end.
async fn cut_after<T>(polls: u32, work: impl Future<Output = T>) -> bool {
    let mut work = Box::pin(work);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        if polled == polls {
            return std::task::Poll::Ready(false);
        }
        polled += 1;
        work.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// sqlx knows of no transaction before the answer to BEGIN: the connection would go back with it open, and what the next
/// one writes on it would be acknowledged and never stored.
#[tokio::test]
async fn a_begin_that_is_dropped_leaves_no_transaction_on_its_connection() {
    let place = SLOT.shared("txn_dropped_begin").await;
    place.others("CREATE TABLE t (n bigint)");
    let db = place.builder().max_connections(1).connect().await.unwrap();
    let mut dropped = 0;
    // A server that is quicker than the poll leaves nothing to drop.
    for polls in 1..500 {
        if dropped == 10 {
            break;
        }
        dropped += u32::from(!cut_after(polls % 6 + 1, db.begin()).await);
        db.execute_unprepared(&format!("INSERT INTO t VALUES ({polls})"))
            .await
            .unwrap();
        let stored = place.on(place.primary(), "SELECT max(n) FROM t");
        assert_eq!(
            stored,
            polls.to_string(),
            "after a begin of {} polls",
            polls % 6 + 1
        );
    }
    assert_eq!(dropped, 10);
}

/// R9: the same inside a transaction, where sqlx would roll back the outer one and go on in autocommit.
#[tokio::test]
async fn a_nested_begin_that_is_dropped_poisons_the_outer_transaction() {
    let place = SLOT.shared("txn_dropped_nested").await;
    place.others("CREATE TABLE t (n bigint)");
    let db = place.builder().connect().await.unwrap();
    let mut dropped = 0;
    // A server that is quicker than the poll leaves nothing to drop.
    for round in 0..500 {
        let polls = round % 4 + 1;
        if dropped == 3 {
            break;
        }
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        if cut_after(polls, txn.begin()).await {
            txn.rollback().await.unwrap();
            continue;
        }
        dropped += 1;
        txn.execute_unprepared("INSERT INTO t VALUES (2)")
            .await
            .unwrap_err();
        let err = txn.commit().await.unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionPoisoned), "{err}");
    }
    assert_eq!(dropped, 3);
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM t"), "0");
}
