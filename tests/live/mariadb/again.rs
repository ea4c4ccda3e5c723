//! A deadlock that a closure swallows: MariaDB has ended the transaction with it (rules R9 and R12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, StreamTrait, TransactionTrait};
use sealane::{Error, Outcome, RetryPolicy, RoutedConnection, RoutedTransaction};
use sealane_harness::mariadb::Flavour;

use super::stage::Stage;
use crate::{faults::within, fixture::number};

const LIMIT: Duration = Duration::from_secs(60);

fn change(id: i32) -> String {
    format!("UPDATE note SET text = concat(text, '+') WHERE id = {id}")
}

/// A statement that locks the first row, or a stream of it.
#[derive(Clone, Copy)]
enum By {
    Statement,
    Stream,
}

async fn lock_first(txn: &RoutedTransaction, by: By) -> Result<(), DbErr> {
    match by {
        By::Statement => txn.execute_unprepared(&change(1)).await.map(drop),
        By::Stream => {
            let text = "SELECT id FROM note WHERE id = 1 FOR UPDATE";
            let text = Statement::from_string(DbBackend::MySql, text);
            let mut rows = txn.stream_raw(text).await?;
            while rows.try_next().await?.is_some() {}
            Ok(())
        }
    }
}

/// What a transaction gets to the first row while another one, which holds it, goes for the second.
async fn crossed(db: &RoutedConnection, txn: &RoutedTransaction, by: By) -> Result<(), DbErr> {
    let other = db.begin().await?;
    // The server ends the one that has changed less.
    for _ in 0..20 {
        let text = "INSERT INTO note (text) VALUES ('heavy')";
        other.execute_unprepared(text).await?;
    }
    other.execute_unprepared(&change(1)).await?;
    txn.execute_unprepared(&change(2)).await?;
    let second = change(2);
    let mine = lock_first(txn, by);
    let others = other.execute_unprepared(&second);
    let (mine, others) = within(LIMIT, async { tokio::join!(mine, others) }).await;
    others?;
    other.commit().await?;
    mine
}

async fn start(database: &str) -> (Stage, RoutedConnection) {
    let stage = Stage::new(database).await;
    stage.others("INSERT INTO note VALUES (1, 'a'), (2, 'b')");
    let db = stage.builder().connect().await.unwrap();
    (stage, db)
}

fn rows(stage: &Stage, database: &str, text: &str) -> String {
    let sql = format!("SELECT count(*) FROM note WHERE text = '{text}'");
    stage.primary().sql_in(database, &sql).unwrap()
}

/// Each of its later statements would have been stored by itself.
#[tokio::test]
async fn nothing_is_stored_outside_of_a_transaction_that_a_deadlock_ended() {
    let (stage, db) = start("again_ended").await;
    let txn = db.begin().await.unwrap();
    crossed(&db, &txn, By::Statement).await.unwrap_err();
    let stray = "INSERT INTO note (text) VALUES ('stray')";
    for err in [
        txn.execute_unprepared(stray).await.unwrap_err(),
        txn.begin().await.unwrap_err(),
        txn.commit().await.unwrap_err(),
    ] {
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionLost { .. }), "{err}");
        assert_eq!(ours.outcome(), Outcome::NotExecuted);
        assert!(err.to_string().contains("Deadlock"), "{err}");
    }
    let txn = db.begin().await.unwrap();
    crossed(&db, &txn, By::Stream).await.unwrap_err();
    let err = txn.execute_unprepared(stray).await.unwrap_err();
    assert!(err.to_string().contains("Deadlock"), "{err}");
    // Whoever rolls it back is told nothing new.
    txn.rollback().await.unwrap();
    assert_eq!(rows(&stage, "again_ended", "stray"), "0");
}

/// MariaDB 10.6.18, 10.11.8 and newer have this option, and it is on by default from 11.6 on.
#[tokio::test]
async fn nothing_is_stored_outside_of_a_transaction_that_a_change_of_others_ended() {
    let (stage, db) = start("again_changed").await;
    if stage.primary().flavour() == Flavour::MySql {
        return;
    }
    let alone = stage.builder().max_connections(1).connect();
    let alone = alone.await.unwrap();
    let option = "SET SESSION innodb_snapshot_isolation = ON";
    alone.execute_unprepared(option).await.unwrap();
    let txn = alone.begin().await.unwrap();
    number(&txn, "SELECT count(*) FROM note").await;
    db.execute_unprepared(&change(1)).await.unwrap();
    let err = txn.execute_unprepared(&change(1)).await.unwrap_err();
    assert!(err.to_string().contains("1020"), "{err}");
    let stray = "INSERT INTO note (text) VALUES ('stray')";
    for err in [
        txn.execute_unprepared(stray).await.unwrap_err(),
        txn.commit().await.unwrap_err(),
    ] {
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionLost { .. }), "{err}");
        assert_eq!(ours.outcome(), Outcome::NotExecuted);
    }
    assert_eq!(rows(&stage, "again_changed", "stray"), "0");
}

#[tokio::test]
async fn a_deadlock_that_the_closure_swallows_lets_it_run_again_and_stores_all_of_it_once() {
    let (stage, db) = start("again_deadlock").await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, beside) = (Arc::clone(&runs), db.clone());
    let done = db.transaction_with_retry(RetryPolicy::default(), move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            let add = |text: &str| format!("INSERT INTO note (text) VALUES ('{text}')");
            txn.execute_unprepared(&add("before")).await?;
            if run == 0 {
                let _ = crossed(&beside, txn, By::Statement).await;
            }
            let _ = txn.execute_unprepared(&add("after")).await;
            Ok::<_, DbErr>(())
        })
    });
    done.await.unwrap();
    assert_eq!(runs.load(Relaxed), 2);
    for text in ["before", "after"] {
        assert_eq!(rows(&stage, "again_deadlock", text), "1", "{text}");
    }
}

/// A nested transaction goes with it: whoever rolls that back is told nothing new, and the deadlock is still the reason.
#[tokio::test]
async fn a_deadlock_inside_of_a_nested_transaction_lets_the_whole_closure_run_again() {
    let (stage, db) = start("again_nested").await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, beside) = (Arc::clone(&runs), db.clone());
    let done = db.transaction_with_retry(RetryPolicy::default(), move |txn| {
        let (run, beside) = (counted.fetch_add(1, Relaxed), beside.clone());
        Box::pin(async move {
            let add = "INSERT INTO note (text) VALUES ('nested')";
            txn.execute_unprepared(add).await?;
            let inner = txn.transaction(|inner| {
                Box::pin(async move {
                    match run {
                        0 => crossed(&beside, inner, By::Statement).await,
                        _ => Ok(()),
                    }
                })
            });
            inner.await
        })
    });
    done.await.unwrap();
    assert_eq!(runs.load(Relaxed), 2);
    assert_eq!(rows(&stage, "again_nested", "nested"), "1");
}
