//! What SeaORM makes a connection from, and what takes one: all of it under the names of `drop_in`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::TryStreamExt;
use sea_orm::{
    ConnectionTrait, DatabaseConnectionType, DbErr, EntityTrait, IntoDatabaseExecutor,
    PaginatorTrait, StreamTrait, TransactionTrait, sqlx::SqlitePool,
};
use sealane::drop_in::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, QueryStream,
    TransactionStream,
};

use crate::fixture::{File, author, create_tables, sql};

#[tokio::test]
async fn after_connect_names_the_type() {
    let file = File::new();
    let called = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&called);
    let mut options: ConnectOptions = file.url().into();
    options
        .max_connections(2)
        .sqlx_logging(false)
        .after_connect(move |db: DatabaseConnection| {
            let count = Arc::clone(&count);
            Box::pin(async move {
                let one = db.query_one_raw(sql(&db, "SELECT 1")).await?;
                assert_eq!(one.unwrap().try_get_by_index::<i32>(0)?, 1);
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        })
        .map_sqlx_sqlite_opts(|options| options.pragma("cache_size", "77"));
    assert_eq!(options.get_max_connections(), Some(2));
    let db = Database::connect(options).await.unwrap();
    // The writer's pool, and the readers'.
    let read = db.replica().query_one_raw(sql(&db, "SELECT 1")).await;
    read.unwrap();
    assert_eq!(called.load(Ordering::Relaxed), 2);
    let primary = db.primary();
    let size = primary.query_one_raw(sql(&db, "PRAGMA cache_size"));
    let size = size.await.unwrap().unwrap();
    assert_eq!(size.try_get_by_index::<i32>(0).unwrap(), 77);
}

#[tokio::test]
async fn an_error_of_after_connect_is_the_error_of_connecting() {
    let file = File::new();
    let mut options = ConnectOptions::new(file.url());
    options.after_connect(|_: DatabaseConnection| {
        Box::pin(async { Err(DbErr::Custom("not today".to_owned())) })
    });
    let err = Database::connect(options.clone()).await.unwrap_err();
    assert!(err.to_string().contains("not today"), "{err}");
    let built = DatabaseConnection::builder().connect_options(options);
    let err = built.connect().await.unwrap_err();
    assert!(err.to_string().contains("not today"), "{err}");
}

#[tokio::test]
async fn a_pool_and_what_seaorm_keeps_of_it_become_a_handle() {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let db = DatabaseConnection::from(pool.clone());
    create_tables(&db).await.unwrap();
    let kept = DatabaseConnectionType::SqlxSqlitePoolConnection(pool.into());
    let same: DatabaseConnection = kept.into();
    assert_eq!(author::Entity::find().count(&same).await.unwrap(), 0);
    let none: DatabaseConnection = DatabaseConnectionType::Disconnected.into();
    assert!(none.ping().await.is_err());
}

#[tokio::test]
async fn streams_have_names_and_one_of_a_connection_outlives_the_function() {
    async fn rows(file: &File) -> Result<QueryStream, DbErr> {
        let db = file.connect().await;
        StreamTrait::stream_raw(&db, sql(&db, "SELECT 1 UNION SELECT 2")).await
    }
    async fn rows_in(txn: &DatabaseTransaction) -> Result<TransactionStream<'_>, DbErr> {
        let text = "SELECT 1 UNION SELECT 2 UNION SELECT 3";
        let select = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, text);
        StreamTrait::stream_raw(txn, select).await
    }
    let file = File::new();
    let all: Vec<_> = rows(&file).await.unwrap().try_collect().await.unwrap();
    assert_eq!(all.len(), 2);
    let txn = file.connect().await.begin().await.unwrap();
    let all: Vec<_> = rows_in(&txn).await.unwrap().try_collect().await.unwrap();
    assert_eq!(all.len(), 3);
}

async fn add<'c>(db: impl IntoDatabaseExecutor<'c>, name: &str, keep: bool) -> Result<(), DbErr> {
    let db = db.into_database_executor();
    let insert = format!("INSERT INTO author (name) VALUES ('{name}')");
    db.execute_unprepared(&insert).await?;
    match db {
        sea_orm::DatabaseExecutor::OwnedTransaction(txn) if keep => txn.commit().await,
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_transaction_given_away_whole_is_ended_by_who_has_it() {
    let file = File::new();
    let db = file.with_tables().await;
    for (name, keep) in [("kept", true), ("dropped", false)] {
        add(db.begin().await.unwrap(), name, keep).await.unwrap();
    }
    // A savepoint leaves the transaction around it where it is.
    let txn = db.begin().await.unwrap();
    let savepoint = txn.begin().await.unwrap();
    add(savepoint, "in a savepoint", true).await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(author::names(&db).await, ["kept", "in a savepoint"]);
}

#[cfg(feature = "rbac")]
#[tokio::test]
async fn rules_are_loaded_from_another_handle() {
    use sea_orm::rbac::{RbacContext, RbacUserId, schema};
    use sealane::drop_in::RbacEngine;

    let (rules, file) = (File::new(), File::new());
    let rules = rules.connect().await;
    schema::create_tables(&rules, Default::default())
        .await
        .unwrap();
    let mut context = RbacContext::load(&rules).await.unwrap();
    context.add_roles(&rules, &["nobody"]).await.unwrap();
    let user = [(1, "nobody")];
    context.assign_user_role(&rules, &user).await.unwrap();
    let db = file.with_tables().await;
    db.load_rbac_from(&rules).await.unwrap();
    let nobody = db.restricted_for(RbacUserId(1)).unwrap();
    author::Entity::find().all(&nobody).await.unwrap_err();

    let engine = RbacEngine::load_from(&rules).await.unwrap();
    assert_eq!(engine.get_roles_and_ranks().unwrap().len(), 1);
    let other = file.connect().await;
    other.replace_rbac(engine);
    let nobody = other.restricted_for(RbacUserId(1)).unwrap();
    author::Entity::find().all(&nobody).await.unwrap_err();
}
