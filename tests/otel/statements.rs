//! One span for one logical statement, as the list says it.

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use tracing::Instrument;

use crate::{
    conventions::{System, check},
    recorder::{attribute, file, has_failed, record},
};

fn bound(sql: &str, value: &str) -> Statement {
    Statement::from_sql_and_values(DbBackend::Sqlite, sql, [value.into()])
}

#[tokio::test]
async fn a_statement_has_one_span_below_its_callers() {
    let (db, _folder) = file().await;
    let read = bound("SELECT id FROM note WHERE text = ?", "s3cret");
    let (row, recorded) = record(1, db.query_one_raw(read)).await;
    assert!(row.unwrap().is_none());
    let span = recorded.one();
    check(span, System::Sqlite);
    assert_eq!(span.parent_span_id, recorded.root);
    assert!(!has_failed(span));
    for (key, value) in [
        ("db.system.name", "sqlite"),
        ("db.namespace", "shop.db"),
        ("db.query.summary", "SELECT note"),
        ("db.query.text", "SELECT id FROM note WHERE text = ?"),
        ("sealane.node", "shop.db (readers)"),
        ("sealane.role", "replica"),
        ("sealane.intent", "read"),
        ("sealane.reason", "replica"),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(value), "{key}");
    }
    assert!(!format!("{span:?}").contains("s3cret"), "{span:?}");
}

#[tokio::test]
async fn no_value_is_in_any_attribute() {
    let (db, _folder) = file().await;
    let work = async {
        let insert = "INSERT INTO note (text) VALUES (?)";
        db.execute_raw(bound(insert, "s3cret")).await.unwrap();
        let insert = "INSERT INTO note (text) VALUES ('s3cret')";
        db.execute_unprepared(insert).await.unwrap();
        let mixed = "SELECT id FROM note WHERE text = ? AND text = 's3cret'";
        db.query_all_raw(bound(mixed, "s3cret")).await.unwrap();
        // SQLite's answer names no value, and another server's would: no message stands in a span.
        let twice = "INSERT INTO note (id, text) VALUES (1, ?)";
        db.execute_raw(bound(twice, "s3cret")).await.unwrap_err();
        let txn = db.begin().await.unwrap();
        txn.execute_raw(bound(twice, "s3cret")).await.unwrap_err();
        let read = bound("SELECT ? || 's3cret'", "s3cret");
        txn.query_one_raw(read).await.unwrap();
        txn.rollback().await.unwrap();
    };
    let ((), recorded) = record(8, work).await;
    for span in &recorded.spans {
        check(span, System::Sqlite);
        assert!(!format!("{span:?}").contains("s3cret"), "{span:?}");
    }
}

#[tokio::test]
async fn a_transactions_statements_and_its_ends_have_a_span_each() {
    let (db, _folder) = file().await;
    let work = async {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("UPDATE note SET text = 'x'")
            .await
            .unwrap();
        let inner = txn.begin().await.unwrap();
        inner
            .query_all_raw(bound("SELECT id FROM note WHERE text = ?", "x"))
            .await
            .unwrap();
        inner.rollback().await.unwrap();
        let inner = txn.begin().await.unwrap();
        inner.commit().await.unwrap();
        txn.commit().await.unwrap();
        let txn = db.begin().await.unwrap();
        txn.rollback().await.unwrap();
    };
    let ((), recorded) = record(10, work).await;
    assert_eq!(
        recorded.names(),
        [
            "BEGIN shop.db",
            "UPDATE note",
            "SAVEPOINT shop.db",
            "SELECT note",
            "ROLLBACK TO SAVEPOINT shop.db",
            "SAVEPOINT shop.db",
            "RELEASE SAVEPOINT shop.db",
            "COMMIT shop.db",
            "BEGIN shop.db",
            "ROLLBACK shop.db",
        ]
    );
    for span in &recorded.spans {
        check(span, System::Sqlite);
        assert_eq!(span.parent_span_id, recorded.root);
        assert_eq!(
            attribute(span, "sealane.reason").as_deref(),
            Some("transaction")
        );
    }
}

/// Whoever gives the call a span of its own finds the statement's below it.
#[tokio::test]
async fn a_closures_statements_are_below_what_runs_them() {
    let (db, _folder) = file().await;
    let work = async {
        db.transaction_async(async |txn| {
            let read = txn.query_one_raw(bound("SELECT id FROM note WHERE text = ?", "x"));
            read.instrument(tracing::info_span!("closure"))
                .await
                .map(drop)
        })
        .await
        .unwrap();
    };
    let ((), recorded) = record(4, work).await;
    let closure = recorded
        .spans
        .iter()
        .find(|span| span.name == "closure")
        .unwrap();
    let read = recorded
        .spans
        .iter()
        .find(|span| span.name == "SELECT note")
        .unwrap();
    assert_eq!(read.parent_span_id, closure.span_context.span_id());
    assert_eq!(
        closure.parent_span_id, recorded.root,
        "BEGIN is over before"
    );
}
