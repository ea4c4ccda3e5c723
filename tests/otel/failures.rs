//! How a statement failed stands in its span: the server's code, our kind, or that its caller went away.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::{
    conventions::{System, check},
    recorder::{attribute, file, has_failed, record},
};

#[tokio::test]
async fn what_the_server_answers_is_the_type() {
    let (db, _folder) = file().await;
    let twice = db.execute_unprepared("INSERT INTO note VALUES (1, 'x')");
    let (done, recorded) = record(1, twice).await;
    done.unwrap_err();
    let span = recorded.one();
    check(span, System::Sqlite);
    assert!(has_failed(span));
    assert_eq!(attribute(span, "error.type").as_deref(), Some("1555"));
    assert_eq!(
        attribute(span, "db.response.status_code").as_deref(),
        Some("1555")
    );
}

#[tokio::test]
async fn what_we_say_is_the_type_where_nobody_answered() {
    let (db, _folder) = file().await;
    let readers = db.replica();
    let refused = readers.execute_unprepared("DELETE FROM note");
    let (done, recorded) = record(1, refused).await;
    done.unwrap_err();
    let span = recorded.one();
    check(span, System::Sqlite);
    assert_eq!(attribute(span, "error.type").as_deref(), Some("not_a_read"));
    assert_eq!(attribute(span, "db.response.status_code"), None);
    assert_eq!(attribute(span, "sealane.node"), None, "it went nowhere");
}

#[tokio::test]
async fn a_transactions_errors_are_in_the_statements_that_had_them() {
    let (db, _folder) = file().await;
    let work = async {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO note VALUES (1, 'x')")
            .await
            .unwrap_err();
        txn.commit().await.unwrap();
    };
    let ((), recorded) = record(3, work).await;
    let failed: Vec<bool> = recorded.spans.iter().map(has_failed).collect();
    assert_eq!(failed, [false, true, false], "{:?}", recorded.names());
}

#[tokio::test]
async fn a_statement_whose_caller_went_away_says_so() {
    let (db, _folder) = file().await;
    let holder = db.begin().await.unwrap();
    holder.execute_unprepared("DELETE FROM note").await.unwrap();
    let waits = tokio::time::timeout(
        Duration::from_millis(50),
        db.execute_unprepared("INSERT INTO note VALUES (9, 'x')"),
    );
    let (done, recorded) = record(1, waits).await;
    done.unwrap_err();
    let span = recorded.one();
    check(span, System::Sqlite);
    assert_eq!(attribute(span, "error.type").as_deref(), Some("cancelled"));
    holder.rollback().await.unwrap();
}

#[cfg(feature = "mock")]
/// What a handle refuses before it is a statement is one for its caller all the same.
#[tokio::test]
async fn a_text_that_a_handle_cannot_have_has_a_span_with_its_error() {
    use sea_orm::{DatabaseConnection, DbBackend, MockDatabase};
    let mock = MockDatabase::new(DbBackend::Postgres).into_connection();
    let db: sealane::RoutedConnection = DatabaseConnection::into(mock);
    let tenant = db.with_local("app.tenant", "s3cret").unwrap();
    let refused = tenant.execute_unprepared("COMMIT");
    let (done, recorded) = record(1, refused).await;
    let err = done.unwrap_err();
    assert!(sealane::Error::report(&err).is_some(), "{err}");
    let span = recorded.one();
    assert_eq!(
        attribute(span, "error.type").as_deref(),
        Some("local_setting")
    );
    assert!(!format!("{span:?}").contains("s3cret"));
}
