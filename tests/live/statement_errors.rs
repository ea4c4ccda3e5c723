//! What statements failed with and how long each waited for a connection, as metrics tell it.

use futures_util::StreamExt;
use metrics_util::debugging::DebugValue;
use sea_orm::{ConnectionTrait, IsolationLevel, StreamTrait, TransactionTrait};
use sealane::RoutedConnection;
use sealane_harness::Cluster;

use crate::{
    fixture::{builder, number, sql},
    heard::series,
    place::own_cluster,
};

/// How often statements failed so, on whatever node.
async fn failures(db: &RoutedConnection, kind: &str) -> u64 {
    let kind = format!("kind={kind}");
    let all = series(db, "sealane_statement_errors_total")
        .await
        .into_iter();
    all.filter(|(labels, _)| labels.contains(&kind))
        .map(|(_, value)| match value {
            DebugValue::Counter(count) => count,
            other => panic!("no counter: {other:?}"),
        })
        .sum()
}

/// How many waits for a connection were counted since the last look.
async fn waits(db: &RoutedConnection) -> usize {
    let all = series(db, "sealane_acquire_seconds").await.into_iter();
    all.map(|(_, value)| match value {
        DebugValue::Histogram(values) => values.len(),
        other => panic!("no histogram: {other:?}"),
    })
    .sum()
}

async fn connect(cluster: &Cluster) -> RoutedConnection {
    builder(cluster).connect().await.unwrap()
}

/// Streams that fail after a row, alone and in a transaction.
async fn cut_short(db: &RoutedConnection) {
    let text = "SELECT 1 / (2 - n) AS n FROM generate_series(1::bigint, 2) AS n";
    let mut rows = db.stream_raw(sql(db, text)).await.unwrap();
    assert!(rows.next().await.is_some_and(|row| row.is_ok()));
    assert!(rows.next().await.is_some_and(|row| row.is_err()));
    drop(rows);
    let txn = db.begin().await.unwrap();
    let mut rows = txn.stream_raw(sql(db, text)).await.unwrap();
    assert!(rows.next().await.is_some_and(|row| row.is_ok()));
    assert!(rows.next().await.is_some_and(|row| row.is_err()));
    drop(rows);
    txn.rollback().await.unwrap();
}

/// Fails by a time limit.
async fn cancelled(db: &RoutedConnection) {
    let txn = db.begin().await.unwrap();
    let slow = "SET LOCAL statement_timeout = '10ms'; SELECT pg_sleep(60)";
    txn.execute_unprepared(slow).await.unwrap_err();
    txn.rollback().await.unwrap();
}

/// Fails because somebody else has changed the row meanwhile.
async fn not_serializable(db: &RoutedConnection) {
    let level = Some(IsolationLevel::RepeatableRead);
    let txn = db.begin_with_config(level, None).await.unwrap();
    number(&txn, "SELECT count(*) FROM t").await;
    let change = "UPDATE t SET n = n + 1";
    db.execute_unprepared(change).await.unwrap();
    txn.execute_unprepared(change).await.unwrap_err();
    txn.rollback().await.unwrap();
}

#[tokio::test]
async fn each_failure_is_counted_by_its_kind() {
    let cluster = own_cluster(1);
    let db = connect(&cluster).await;
    let all = series(&db, "sealane_statement_errors_total").await;
    assert!(all.is_empty(), "{all:?}");
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let wrong = "INSERT INTO t VALUES (1 / (SELECT count(*) FROM t WHERE false))";
    db.execute_unprepared(wrong).await.unwrap_err();
    assert_eq!(failures(&db, "statement").await, 1);
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared(wrong).await.unwrap_err();
    txn.rollback().await.unwrap();
    assert_eq!(failures(&db, "statement").await, 2);
    cut_short(&db).await;
    assert_eq!(failures(&db, "statement").await, 4);
    cancelled(&db).await;
    assert_eq!(failures(&db, "cancelled").await, 1);
    not_serializable(&db).await;
    assert_eq!(failures(&db, "serialization").await, 1);
    let replica = db.replica();
    let wrong = sql(&replica, "SELECT 1 / (SELECT count(*) FROM t WHERE false)");
    replica.query_one_raw(wrong).await.unwrap_err();
    assert_eq!(failures(&db, "statement").await, 5);

    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let lost = failures(&db, "lost").await;
    cluster.primary().terminate_connections().unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap_err();
    assert_eq!(failures(&db, "lost").await, lost + 1);
}

#[tokio::test]
async fn each_connection_that_was_there_counts_as_no_wait() {
    let cluster = own_cluster(1);
    let db = connect(&cluster).await;
    number(&db, "SELECT count(*) FROM t").await;
    waits(&db).await;
    for _ in 0..20 {
        number(&db, "SELECT count(*) FROM t").await;
        assert_eq!(waits(&db).await, 1);
    }
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    assert_eq!(waits(&db).await, 1);
    // Its statements have its connection.
    let txn = db.begin().await.unwrap();
    for _ in 0..3 {
        txn.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
    }
    txn.commit().await.unwrap();
    assert_eq!(waits(&db).await, 1);
}
