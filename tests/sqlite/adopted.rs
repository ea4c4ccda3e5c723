//! Connections that the application made: mocks, its own pools, one pool in both roles.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectOptions, ConnectionTrait, Database, EntityTrait,
    PaginatorTrait,
};
use sealane::RoutedConnection;

use crate::fixture::{Decisions, File, author, create_tables, sql};

#[tokio::test]
async fn one_pool_in_both_roles_routes_and_serves() {
    let file = File::new();
    let mut options = ConnectOptions::new(file.url());
    options.max_connections(4);
    let pool = Database::connect(options).await.unwrap();
    let db = RoutedConnection::from_connections(pool.clone(), [pool]);
    create_tables(&db).await.unwrap();
    let (decisions, _guard) = Decisions::listen();
    author::ActiveModel {
        name: Set("a".into()),
        ..Default::default()
    }
    .insert(&db)
    .await
    .unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 1);
    assert_eq!(decisions.roles(), ["primary", "replica"]);
}

#[tokio::test]
async fn a_single_connection_behaves_as_it_did() {
    let file = File::new();
    let db = RoutedConnection::from(Database::connect(file.url()).await.unwrap());
    create_tables(&db).await.unwrap();
    let (decisions, _guard) = Decisions::listen();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 0);
    assert_eq!(
        decisions.take(),
        [("primary".into(), "only_primary".into())]
    );
}

#[tokio::test]
async fn an_application_built_writer_and_reader_pool_split() {
    let file = File::new();
    let writer = Database::connect(file.url()).await.unwrap();
    writer
        .execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .unwrap();
    create_tables(&writer).await.unwrap();
    let reader = Database::connect(format!("sqlite://{}?mode=ro", file.path()))
        .await
        .unwrap();
    let db = RoutedConnection::from_connections(writer, [reader]);
    author::ActiveModel {
        name: Set("a".into()),
        ..Default::default()
    }
    .insert(&db)
    .await
    .unwrap();
    assert_eq!(
        author::Entity::find().count(&db.replica()).await.unwrap(),
        1
    );
    db.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
}

#[cfg(feature = "mock")]
mod mocks {
    use sea_orm::{DbBackend, MockDatabase, MockExecResult, TransactionTrait};

    use super::*;

    fn row(id: i32) -> author::Model {
        author::Model {
            id,
            name: format!("author {id}"),
        }
    }

    #[tokio::test]
    async fn reads_meet_the_replicas_mock_and_writes_the_primarys() {
        let primary = MockDatabase::new(DbBackend::Postgres)
            .append_query_results([[row(1)]])
            .append_exec_results([MockExecResult {
                last_insert_id: 0,
                rows_affected: 1,
            }])
            .into_connection();
        let replica = MockDatabase::new(DbBackend::Postgres)
            .append_query_results([[row(2)]])
            .into_connection();
        let db = RoutedConnection::from_connections(primary, [replica]);
        assert!(db.is_mock_connection());
        assert_eq!(
            author::Entity::find().one(&db).await.unwrap().unwrap().id,
            2
        );
        assert_eq!(
            author::Entity::find()
                .one(&db.primary())
                .await
                .unwrap()
                .unwrap()
                .id,
            1
        );
        author::Entity::delete_by_id(1).exec(&db).await.unwrap();
        assert_eq!(db.into_transaction_log().len(), 2);
    }

    #[tokio::test]
    async fn a_mocks_transactions_and_log_are_reachable() {
        let mock = MockDatabase::new(DbBackend::Postgres)
            .append_query_results([[row(1)]])
            .into_connection();
        let db = RoutedConnection::from(mock);
        let txn = db.begin().await.unwrap();
        assert_eq!(
            author::Entity::find().one(&txn).await.unwrap().unwrap().id,
            1
        );
        txn.commit().await.unwrap();
        let log = db.into_transaction_log();
        assert_eq!(
            log.len(),
            1,
            "one transaction with BEGIN, SELECT and COMMIT: {log:?}"
        );
    }
}
