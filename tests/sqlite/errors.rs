//! Errors: what the server says passes unchanged, what we say comes back by `Error::from_db_err`.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, SqlErr, StreamTrait,
    TransactionError, TransactionTrait,
};
use sealane::{Error, Role, RoutedConnection};

use crate::fixture::{File, author, sql};

#[tokio::test]
async fn a_constraint_violation_is_seaorms_own() {
    let file = File::new();
    let db = file.with_tables().await;
    let twice = || author::ActiveModel {
        id: Set(1),
        name: Set("a".into()),
    };
    twice().insert(&db).await.unwrap();
    let err = twice().insert(&db).await.unwrap_err();
    assert!(
        matches!(err.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))),
        "{err}"
    );
    assert!(Error::from_db_err(&err).is_none());
}

#[tokio::test]
async fn a_wrong_statement_fails_as_seaorm_fails() {
    let file = File::new();
    let db = file.with_tables().await;
    let plain = sea_orm::Database::connect(file.url()).await.unwrap();
    for text in [
        "SELECT nothing FROM author",
        "SELEC",
        "SELECT * FROM nowhere",
    ] {
        let ours = db.query_one_raw(sql(&db, text)).await.unwrap_err();
        let theirs = plain.query_one_raw(sql(&db, text)).await.unwrap_err();
        assert_eq!(ours, theirs, "{text}");
    }
}

#[tokio::test]
async fn a_missing_file_is_a_start_error_that_names_the_node() {
    let err = RoutedConnection::builder()
        .primary("sqlite:///nowhere/at/all.db")
        .connect()
        .await
        .unwrap_err();
    assert!(
        matches!(&err, Error::Start { node, .. } if node == "all.db"),
        "{err}"
    );
}

#[tokio::test]
async fn a_closed_handle_says_so() {
    let file = File::new();
    let db = file.with_tables().await;
    db.clone().close().await.unwrap();
    let err = db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap_err();
    assert!(
        matches!(err, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)),
        "{err}"
    );
}

#[tokio::test]
async fn a_full_pool_is_answered_with_seaorms_error_where_that_is_wanted() {
    let full = async |builder: sealane::Builder| {
        let db = builder
            .primary("sqlite::memory:")
            .acquire_timeout(std::time::Duration::from_millis(50))
            .connect()
            .await
            .unwrap();
        let _txn = db.begin().await.unwrap();
        db.begin().await.unwrap_err()
    };
    let seaorms = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
    let kept = full(RoutedConnection::builder().keep_seaorm_errors()).await;
    assert_eq!(kept, seaorms);
    let ours = full(RoutedConnection::builder()).await;
    assert!(ours.to_string().contains("max_connections"), "{ours}");
}

#[tokio::test]
async fn a_setting_for_one_handle_is_an_error_without_such_settings() {
    let file = File::new();
    let db = file.with_tables().await;
    let err = db.with_local("app.tenant", 1).unwrap_err();
    let why = sealane::causes::LocalProblem::Backend;
    assert!(
        matches!(&err, Error::LocalSetting { why: found } if *found == why),
        "{err}"
    );
    let none = sealane::RoutedConnection::default().with_local("app.tenant", 1);
    assert!(matches!(none, Err(Error::Disconnected)));
}

#[tokio::test]
async fn an_error_of_ours_tells_how_the_cluster_stood() {
    let file = File::new();
    let db = file.with_tables().await;
    let insert = sql(&db, "INSERT INTO author VALUES (1, 'a')");
    let readers = db.replica();
    let mut errors = vec![readers.query_one_raw(insert.clone()).await.unwrap_err()];
    errors.push(readers.stream_raw(insert.clone()).await.err().unwrap());
    let failed = readers
        .transaction_async(async |txn| txn.execute_raw(insert.clone()).await.map(drop))
        .await
        .unwrap_err();
    match failed {
        TransactionError::Connection(err) | TransactionError::Transaction(err) => errors.push(err),
    }
    for err in &errors {
        let report = Error::report(err).unwrap_or_else(|| panic!("{err} has no report"));
        let topology = db.cluster().topology();
        let primary = topology
            .nodes
            .iter()
            .find(|node| node.role == Role::Primary);
        assert_eq!(
            report.primary,
            primary.map(|node| node.name.clone()),
            "{err}"
        );
        assert_eq!(report.nodes.len(), topology.nodes.len());
        assert_eq!(report.version, topology.version);
        assert!(report.to_string().contains("takes the writes"), "{report}");
    }
    // What a server or the driver says passes as it came.
    let theirs = db
        .execute_unprepared("INSERT INTO nowhere VALUES (1)")
        .await;
    assert!(Error::report(&theirs.unwrap_err()).is_none());
}

#[tokio::test]
async fn a_report_outlives_its_cluster() {
    let file = File::new();
    let db = file.with_tables().await;
    let insert = sql(&db, "INSERT INTO author VALUES (1, 'a')");
    let err = db.replica().query_one_raw(insert).await.unwrap_err();
    let before = Error::report(&err).unwrap().to_string();
    // The same error again, as SeaORM hands it on.
    let again = err.clone();
    drop((db, err));
    assert_eq!(Error::report(&again).unwrap().to_string(), before);
}
