//! What the compiler is asked to believe: sizes, auto traits, names, conversions. Most of this file only has to compile.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionError, TransactionTrait};
use sealane::{Config, Error, RoutedConnection, RoutedTransaction};

const fn shared<T: Send + Sync + 'static>() {}
const fn cloned<T: Clone>() {}
const fn debugged<T: std::fmt::Debug>() {}

/// As SeaORM's own handle and transaction: the handle is cloned, the transaction is not.
const _: () = {
    assert!(size_of::<RoutedConnection>() <= 64);
    shared::<RoutedConnection>();
    shared::<RoutedTransaction>();
    cloned::<RoutedConnection>();
    cloned::<sealane::Cluster>();
    shared::<sealane::Cluster>();
    shared::<Config>();
    shared::<Error>();
    shared::<sealane::Topology>();
    shared::<sealane::Report>();
    shared::<sealane::Explanation>();
    debugged::<RoutedConnection>();
    debugged::<RoutedTransaction>();
    debugged::<sealane::Builder>();
    shared::<sea_orm::DatabaseConnection>();
    shared::<sea_orm::DatabaseTransaction>();
    cloned::<sea_orm::DatabaseConnection>();
};

const fn sends<T: Send>(_: &T) {}

fn select() -> Statement {
    Statement::from_string(DbBackend::Sqlite, "SELECT 1")
}

/// Everything awaited on a handle may be spawned.
#[tokio::test]
async fn futures_of_the_surface_are_send() {
    let db = RoutedConnection::connect(
        Config::builder()
            .primary("sqlite::memory:")
            .build()
            .unwrap(),
    )
    .await
    .unwrap();
    let spawned = db.clone();
    tokio::spawn(async move {
        let db = &spawned;
        db.query_all_raw(select()).await?;
        let txn = db.begin().await?;
        txn.query_one_raw(select()).await?;
        txn.commit().await?;
        db.transaction::<_, _, DbErr>(|txn| {
            Box::pin(async move { txn.query_all_raw(select()).await })
        })
        .await
        .map_err(|err| DbErr::Custom(err.to_string()))?;
        let policy = sealane::RetryPolicy::default();
        let worked = db.transaction_with_retry(policy, |txn| txn.query_all_raw(select()));
        worked.await.map_err(|err| DbErr::Custom(err.to_string()))?;
        db.cluster().inspect().await?;
        db.cluster().export_metrics().await?;
        Ok::<_, DbErr>(())
    })
    .await
    .unwrap()
    .unwrap();
    sends(&RoutedConnection::from_env());
    sends(&Config::builder().connect());
    sends(&sealane::drop_in::Database::connect("sqlite::memory:"));
    sends(&db.ping());
    sends(&db.close_by_ref());
    sends(&db.cluster().replace_nodes([]));
    sends(&sea_orm::StreamTrait::stream_raw(&db, select()));
    // Narrowed handles are of the same type, and live on their own.
    let narrowed: [RoutedConnection; 3] = [db.primary(), db.replica(), db.in_zone("east")];
    drop(db);
    for handle in narrowed {
        handle.query_one_raw(select()).await.unwrap();
    }
}

/// Code that names SeaORM's types changes one import.
mod names {
    use sea_orm::{ConnectionTrait, DbErr, TransactionError, TransactionTrait};
    use sealane::drop_in::{Database, DatabaseConnection, DatabaseTransaction, DbConn};

    pub struct State {
        pub db: DatabaseConnection,
    }

    pub async fn by_reference(db: &DbConn) -> Result<u64, DbErr> {
        by_trait(db).await
    }

    pub async fn by_trait<C: ConnectionTrait>(db: &C) -> Result<u64, DbErr> {
        Ok(db
            .execute_unprepared("CREATE TABLE IF NOT EXISTS t (i int)")
            .await?
            .rows_affected())
    }

    pub async fn inside(txn: &DatabaseTransaction) -> Result<u64, DbErr> {
        by_trait(txn).await
    }

    pub async fn all() -> Result<(), TransactionError<DbErr>> {
        let connected = Database::connect("sqlite::memory:").await;
        let state = State {
            db: connected.map_err(TransactionError::Connection)?,
        };
        let db: &DatabaseConnection = &state.db;
        let by_name = |db: DatabaseConnection| async move { by_reference(&db).await };
        by_name(db.clone())
            .await
            .map_err(TransactionError::Transaction)?;
        db.transaction(|txn: &DatabaseTransaction| Box::pin(async move { inside(txn).await }))
            .await?;
        db.transaction_async(async |txn: &DatabaseTransaction| inside(txn).await)
            .await?;
        let txn: DatabaseTransaction = db.begin().await.map_err(TransactionError::Connection)?;
        let savepoint: DatabaseTransaction =
            txn.begin().await.map_err(TransactionError::Connection)?;
        inside(&savepoint)
            .await
            .map_err(TransactionError::Transaction)?;
        savepoint
            .commit()
            .await
            .map_err(TransactionError::Connection)?;
        txn.rollback().await.map_err(TransactionError::Connection)?;
        assert!(db.clone().ping().await.is_ok());
        Ok(())
    }
}

#[tokio::test]
async fn code_that_names_seaorms_types_compiles_and_runs() {
    names::all().await.unwrap();
    assert!(matches!(
        names::by_trait(&RoutedConnection::default()).await,
        Err(DbErr::Conn(_))
    ));
}

/// `?` from ours into `DbErr`, into the error of a transaction, and back.
#[test]
fn errors_travel_by_question_mark_and_come_back() {
    fn ours() -> Result<(), Error> {
        Err(Error::Disconnected)
    }
    fn as_db() -> Result<(), DbErr> {
        Ok(ours()?)
    }
    fn as_transaction() -> Result<(), TransactionError<DbErr>> {
        Ok(ours()?)
    }
    fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(ours()?)
    }
    fn from_config() -> Result<Config, Error> {
        Ok(Config::from_vars([])?)
    }
    let err = as_db().unwrap_err();
    assert!(
        matches!(err, DbErr::Conn(_)),
        "not executed is `Conn`: {err:?}"
    );
    assert!(matches!(
        Error::from_db_err(&err),
        Some(Error::Disconnected)
    ));
    assert!(matches!(
        as_transaction().unwrap_err(),
        TransactionError::Connection(DbErr::Conn(_))
    ));
    assert_eq!(
        boxed().unwrap_err().to_string(),
        Error::Disconnected.to_string()
    );
    assert!(matches!(from_config().unwrap_err(), Error::Config(_)));
}

/// What an application awaits becomes part of its own futures: ours stay small there, however much goes on behind them.
#[tokio::test]
async fn futures_of_the_surface_are_small() {
    let options = || Config::builder().primary("sqlite::memory:");
    let db = options().connect().await.unwrap();
    let session = db.session();
    let begin = async || db.begin().await.unwrap();
    // One after the other: SQLite has one writer.
    let commit = size_of_val(&begin().await.commit());
    let rollback = size_of_val(&begin().await.rollback());
    let transaction = db.transaction_async::<_, (), DbErr>(async |_| Ok(()));
    let connect = RoutedConnection::connect(options().build().unwrap());
    let sizes = [
        ("commit", commit),
        ("rollback", rollback),
        ("transaction", size_of_val(&transaction)),
        ("connect", size_of_val(&connect)),
        ("ping", size_of_val(&db.ping())),
        ("close", size_of_val(&db.close_by_ref())),
        ("bookmark", size_of_val(&session.bookmark())),
    ];
    let large: Vec<_> = sizes.iter().filter(|(_, size)| *size > 1500).collect();
    assert!(large.is_empty(), "{large:?} of {sizes:?}");
}
