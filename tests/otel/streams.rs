//! A stream's span lasts as long as the stream.

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DbBackend, Statement, StreamTrait, TransactionTrait};

use crate::{
    conventions::{System, check},
    recorder::{attribute, file, has_failed, record},
};

const MANY: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i FROM n";

fn stmt(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
}

#[tokio::test]
async fn a_stream_that_is_read_to_its_end_has_one_span() {
    let (db, _folder) = file().await;
    let work = async {
        let rows = db.stream_raw(stmt(MANY)).await.unwrap();
        let mut count = 0;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.next().await {
            row.unwrap();
            count += 1;
        }
        count
    };
    let (count, recorded) = record(1, work).await;
    assert_eq!(count, 1000);
    check(recorded.one(), System::Sqlite);
    assert!(!has_failed(recorded.one()));
}

/// Whoever has seen enough has not failed.
#[tokio::test]
async fn a_stream_that_is_dropped_half_way_has_a_span_without_an_error() {
    let (db, _folder) = file().await;
    for inside in [false, true] {
        let work = async {
            let txn = match inside {
                true => Some(db.begin().await.unwrap()),
                false => None,
            };
            let first = match &txn {
                Some(txn) => txn.stream_raw(stmt(MANY)).await.unwrap().next().await,
                None => db.stream_raw(stmt(MANY)).await.unwrap().next().await,
            };
            first.unwrap().unwrap();
            if let Some(txn) = txn {
                txn.rollback().await.unwrap();
            }
        };
        let ((), recorded) = record(if inside { 3 } else { 1 }, work).await;
        for span in &recorded.spans {
            check(span, System::Sqlite);
            assert!(!has_failed(span), "{span:?}");
        }
    }
}

#[tokio::test]
async fn an_error_in_the_midst_of_a_stream_is_in_its_span() {
    let (db, _folder) = file().await;
    let fails = "SELECT CASE WHEN id = 2 THEN abs(-9223372036854775808) ELSE id END FROM note";
    let work = async {
        let mut rows = db.stream_raw(stmt(fails)).await.unwrap();
        while let Some(row) = rows.next().await {
            if row.is_err() {
                return;
            }
        }
        panic!("the row that overflows came");
    };
    let ((), recorded) = record(1, work).await;
    check(recorded.one(), System::Sqlite);
    assert!(has_failed(recorded.one()));
    assert_eq!(
        attribute(recorded.one(), "error.type").as_deref(),
        Some("1")
    );
}

/// A write that waits for nobody, as SeaORM's `INSERT … RETURNING` by stream.
#[tokio::test]
async fn a_stream_that_never_begins_has_its_error_in_its_span() {
    let (db, _folder) = file().await;
    let work = async {
        let opened = db.stream_raw(stmt("SELECT nothing FROM note")).await;
        let failed = match opened {
            Ok(mut rows) => rows.next().await.unwrap().is_err(),
            Err(_) => true,
        };
        assert!(failed);
    };
    let ((), recorded) = record(1, work).await;
    check(recorded.one(), System::Sqlite);
    assert!(has_failed(recorded.one()));
    db.execute_unprepared("SELECT 1").await.unwrap();
}
