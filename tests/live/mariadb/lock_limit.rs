//! A lock's limit that a closure swallows (1205): by the server's `innodb_rollback_on_timeout` it has ended the statement, or the
//! whole transaction, and says the same (rules R9 and R12).

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
use sealane_harness::mariadb::Cluster;

use super::stage::{builder, create};
use crate::faults::within;

const LIMIT: Duration = Duration::from_secs(60);
const LOCKED: &str = "SELECT id FROM note WHERE id = 1 FOR UPDATE";

/// One server with this option, a row that somebody else holds, and a handle.
struct Held {
    cluster: Cluster,
    db: RoutedConnection,
    _holder: RoutedTransaction,
}

impl Held {
    async fn with(rolls_back: &str) -> Self {
        let cluster = Cluster::builder()
            .setting("innodb-rollback-on-timeout", rolls_back)
            .setting("innodb-lock-wait-timeout", "1")
            .start()
            .unwrap();
        create(cluster.primary(), "app");
        let db = builder(&cluster, "app").connect().await.unwrap();
        let row = "INSERT INTO note VALUES (1, 'held')";
        db.execute_unprepared(row).await.unwrap();
        let holder = db.begin().await.unwrap();
        holder.execute_unprepared(LOCKED).await.unwrap();
        Self {
            cluster,
            db,
            _holder: holder,
        }
    }

    /// A transaction that has stored something and then swallowed the error of a statement, or of a stream.
    async fn swallowed(&self, by_stream: bool) -> RoutedTransaction {
        let txn = self.db.begin().await.unwrap();
        txn.execute_unprepared(&add("before")).await.unwrap();
        let err = wait_in_vain(&txn, by_stream).await.unwrap_err();
        assert!(err.to_string().contains("1205"), "{err}");
        txn
    }

    fn rows(&self, text: &str) -> String {
        let sql = format!("SELECT count(*) FROM note WHERE text = '{text}'");
        self.cluster.primary().sql_in("app", &sql).unwrap()
    }
}

fn add(text: &str) -> String {
    format!("INSERT INTO note (text) VALUES ('{text}')")
}

async fn wait_in_vain(txn: &RoutedTransaction, by_stream: bool) -> Result<(), DbErr> {
    within(LIMIT, async {
        if !by_stream {
            return txn.execute_unprepared(LOCKED).await.map(drop);
        }
        let text = Statement::from_string(DbBackend::MySql, LOCKED);
        let mut rows = txn.stream_raw(text).await?;
        while rows.try_next().await?.is_some() {}
        Ok(())
    })
    .await
}

/// Each of its later statements would have been stored by itself, and COMMIT answers yes.
#[tokio::test]
async fn nothing_is_stored_outside_of_a_transaction_that_a_locks_limit_ended() {
    let held = Held::with("ON").await;
    for by_stream in [false, true] {
        let txn = held.swallowed(by_stream).await;
        for err in [
            txn.execute_unprepared(&add("stray")).await.unwrap_err(),
            txn.begin().await.unwrap_err(),
            txn.commit().await.unwrap_err(),
        ] {
            let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
            assert!(matches!(ours, Error::TransactionLost { .. }), "{err}");
            assert_eq!(ours.outcome(), Outcome::NotExecuted);
            assert!(err.to_string().contains("1205"), "{err}");
        }
    }
    let ended = held.swallowed(false).await.commit().await.unwrap_err();
    let lost = Error::from_db_err(&ended).is_some_and(|err| err.kind() == "transaction_lost");
    assert!(lost, "{ended}");
    let savepoint = held.swallowed(false).await;
    savepoint.begin().await.unwrap_err();
    // Whoever rolls it back is told nothing new.
    savepoint.rollback().await.unwrap();
    assert_eq!([held.rows("before"), held.rows("stray")], ["0", "0"]);
}

/// Nobody is told of a savepoint that went with the transaction.
#[tokio::test]
async fn a_nested_transaction_that_a_locks_limit_ended_says_why() {
    let held = Held::with("ON").await;
    for drops in [false, true] {
        let txn = held.db.begin().await.unwrap();
        txn.execute_unprepared(&add("before")).await.unwrap();
        let inner = txn.begin().await.unwrap();
        wait_in_vain(&inner, false).await.unwrap_err();
        match drops {
            true => drop(inner),
            false => inner.rollback().await.unwrap(),
        }
        let err = txn.execute_unprepared(&add("stray")).await.unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert!(matches!(ours, Error::TransactionLost { .. }), "{err}");
        assert!(err.to_string().contains("1205"), "{err}");
        txn.rollback().await.unwrap();
    }
    assert_eq!([held.rows("before"), held.rows("stray")], ["0", "0"]);
}

/// Without the option the statement alone is undone.
#[tokio::test]
async fn a_transaction_goes_on_where_a_locks_limit_ends_the_statement_alone() {
    let held = Held::with("OFF").await;
    for by_stream in [false, true] {
        let txn = held.swallowed(by_stream).await;
        txn.execute_unprepared(&add("after")).await.unwrap();
        let inner = txn.begin().await.unwrap();
        wait_in_vain(&inner, by_stream).await.unwrap_err();
        inner.rollback().await.unwrap();
        txn.commit().await.unwrap();
    }
    assert_eq!([held.rows("before"), held.rows("after")], ["2", "2"]);
}

/// As it would not be where the closure passed the error on.
#[tokio::test]
async fn a_closure_that_swallows_a_locks_limit_is_not_run_again() {
    let held = Held::with("ON").await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let done = held
        .db
        .transaction_with_retry(RetryPolicy::default(), move |txn| {
            counted.fetch_add(1, Relaxed);
            Box::pin(async move {
                let _ = wait_in_vain(txn, false).await;
                Ok::<_, DbErr>(())
            })
        });
    let err = done.await.unwrap_err();
    assert!(err.to_string().contains("1205"), "{err}");
    assert_eq!(runs.load(Relaxed), 1);
}
