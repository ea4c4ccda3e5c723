//! The caller's `ConnectOptions` and their closures reach every node.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::{AccessMode, ConnectOptions, ConnectionTrait, TransactionTrait};
use sealane::RoutedConnection;

use crate::fixture::{File, sql};

#[tokio::test]
async fn options_and_closures_reach_the_writer_and_the_readers() {
    let file = File::new();
    let pools = Arc::new(AtomicUsize::new(0));
    let connects = Arc::new(AtomicUsize::new(0));
    let mut options = ConnectOptions::new(file.url());
    options
        .map_sqlx_sqlite_opts(|options| options.pragma("cache_size", "-1234"))
        .map_sqlx_sqlite_pool_opts({
            let pools = Arc::clone(&pools);
            move |options| {
                pools.fetch_add(1, Ordering::SeqCst);
                options
            }
        })
        .after_connect({
            let connects = Arc::clone(&connects);
            move |_| {
                connects.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(()) })
            }
        });
    let db = RoutedConnection::builder()
        .connect_options(options)
        .connect()
        .await
        .unwrap();
    // SeaORM's own transaction is the way to ask a reader's connection for its own settings.
    for access in [AccessMode::ReadWrite, AccessMode::ReadOnly] {
        let txn = db.begin_with_config(None, Some(access)).await.unwrap();
        let row = txn
            .concrete()
            .query_one_raw(sql(&db, "PRAGMA cache_size"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            row.try_get_by_index::<i64>(0).unwrap(),
            -1234,
            "on the {}",
            txn.role()
        );
        txn.rollback().await.unwrap();
    }
    assert!(
        pools.load(Ordering::SeqCst) >= 2,
        "the pool closure saw both pools"
    );
    assert_eq!(
        connects.load(Ordering::SeqCst),
        2,
        "after_connect ran once for each node"
    );
}

#[tokio::test]
async fn a_metric_callback_hears_of_statements_on_every_node() {
    let file = File::new();
    let mut db = file.with_tables().await;
    let heard = Arc::new(AtomicUsize::new(0));
    db.set_metric_callback({
        let heard = Arc::clone(&heard);
        move |info| {
            assert!(!info.failed);
            heard.fetch_add(1, Ordering::SeqCst);
        }
    });
    db.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
    db.execute_raw(sql(&db, "DELETE FROM author"))
        .await
        .unwrap();
    let txn = sea_orm::TransactionTrait::begin(&db).await.unwrap();
    txn.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn keep_journal_mode_leaves_the_file_as_it_is() {
    let file = File::new();
    let journal = async |db: &RoutedConnection| {
        let row = db
            .query_one_raw(sql(db, "PRAGMA journal_mode"))
            .await
            .unwrap()
            .unwrap();
        row.try_get_by_index::<String>(0).unwrap()
    };
    let kept = RoutedConnection::builder()
        .primary(file.url())
        .keep_journal_mode()
        .connect()
        .await
        .unwrap();
    assert_eq!(journal(&kept.primary()).await, "delete");
    kept.close().await.unwrap();
    let db = file.connect().await;
    assert_eq!(journal(&db.primary()).await, "wal");
}
