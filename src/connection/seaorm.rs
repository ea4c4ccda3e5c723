//! SeaORM's traits on the routed handle.
//!
//! What is generic here is compiled into the application: it does no more than call what is not, whose boxed future is
//! a type of one size and of no depth. With our futures inside, the application's own grew by kilobytes, and those of
//! SeaORM's tests became too deep for the compiler.

use std::pin::Pin;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseExecutor, DbBackend, DbErr, ExecResult,
    IntoDatabaseExecutor, IsolationLevel, QueryResult, Statement, StatementBuilder,
    TransactionError, TransactionOptions, TransactionTrait,
};

use super::{RoutedConnection, transaction::RoutedTransaction};
use crate::node::run::{Execute, ExecuteUnprepared, QueryAll, QueryOne};

/// What a method of SeaORM's traits gives.
pub(super) type Boxed<'f, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'f>>;

/// The methods that take a builder: each hands what is built to the one that takes a statement. Overridden to save the box
/// that the trait's own put around that one's.
macro_rules! built_for_raw {
    ($($method:ident => $raw:ident -> $output:ty;)+) => {$(
        fn $method<'s, 'q, 'f, S>(&'s self, stmt: &'q S) -> Boxed<'f, $output>
        where
            S: StatementBuilder + 'f,
            's: 'f,
            'q: 'f,
            Self: 'f,
        {
            match self.built(stmt) {
                Ok(stmt) => self.$raw(stmt),
                Err(err) => Box::pin(std::future::ready(Err(err))),
            }
        }
    )+};
}
pub(super) use built_for_raw;

impl RoutedConnection {
    /// A statement of this backend; an error, where SeaORM panics, on a handle that was never connected.
    fn built(&self, stmt: &impl StatementBuilder) -> Result<Statement, DbErr> {
        Ok(self.shared()?.backend.build(stmt))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for RoutedConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    built_for_raw! {
        execute => execute_raw -> ExecResult;
        query_one => query_one_raw -> Option<QueryResult>;
        query_all => query_all_raw -> Vec<QueryResult>;
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.run(&Execute, stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let stmt = Statement::from_string(self.shared()?.backend, sql);
        self.run(&ExecuteUnprepared, stmt).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(&QueryOne, stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(&QueryAll, stmt).await
    }

    fn support_returning(&self) -> bool {
        self.backend().support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.with_primary(|connection| connection.is_mock_connection())
            .unwrap_or(false)
    }
}

#[async_trait::async_trait]
impl TransactionTrait for RoutedConnection {
    type Transaction = RoutedTransaction;

    async fn begin(&self) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(TransactionOptions::default()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(TransactionOptions {
            isolation_level,
            access_mode,
            ..Default::default()
        })
        .await
    }

    async fn begin_with_options(
        &self,
        options: TransactionOptions,
    ) -> Result<RoutedTransaction, DbErr> {
        self.open_transaction(options).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c RoutedTransaction,
            ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let txn = self.begin().await.map_err(TransactionError::Connection)?;
        let result = callback(&txn).await;
        txn.finish(result).await
    }

    async fn transaction_with_config<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(
                &'c RoutedTransaction,
            ) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        let txn = self
            .begin_with_config(isolation_level, access_mode)
            .await
            .map_err(TransactionError::Connection)?;
        let result = callback(&txn).await;
        txn.finish(result).await
    }
}

#[cfg(feature = "stream")]
impl sea_orm::StreamTrait for RoutedConnection {
    // As SeaORM's: rows that own their connection, and may leave the function that asked for them.
    type Stream<'a> = super::RoutedStream<'static>;

    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    fn stream_raw<'a>(
        &'a self,
        stmt: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(self.open_stream(stmt))
    }
}

#[cfg(feature = "stream")]
impl sea_orm::StreamTrait for RoutedTransaction {
    type Stream<'a> = super::RoutedStream<'a>;

    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(self)
    }

    fn stream_raw<'a>(
        &'a self,
        stmt: Statement,
    ) -> Pin<Box<dyn Future<Output = Result<Self::Stream<'a>, DbErr>> + 'a + Send>> {
        Box::pin(self.open_stream(stmt))
    }
}

impl<'c> From<&'c RoutedConnection> for DatabaseExecutor<'c> {
    fn from(db: &'c RoutedConnection) -> Self {
        DatabaseExecutor::Connection(db.concrete())
    }
}

/// Migrations take this: they run on the primary, through [`concrete`](RoutedConnection::concrete).
impl<'c> IntoDatabaseExecutor<'c> for &'c RoutedConnection {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        self.into()
    }
}

/// Schema discovery reads the primary: a lagging answer would make it create what exists.
#[cfg(feature = "schema-sync")]
#[async_trait::async_trait]
impl sea_schema::Connection for RoutedConnection {
    async fn query_all(
        &self,
        select: sea_orm::sea_query::SelectStatement,
    ) -> Result<Vec<sea_schema::sqlx_types::SqlxRow>, sea_schema::sqlx_types::SqlxError> {
        let lease = self
            .lease_primary()
            .map_err(|err| sea_schema::sqlx_types::SqlxError::AnyDriverError(err.into()))?;
        let _waits = lease.node().wait_for_pool();
        sea_schema::Connection::query_all(lease.node().link.connection(), select).await
    }

    async fn query_all_raw(
        &self,
        sql: String,
    ) -> Result<Vec<sea_schema::sqlx_types::SqlxRow>, sea_schema::sqlx_types::SqlxError> {
        let lease = self
            .lease_primary()
            .map_err(|err| sea_schema::sqlx_types::SqlxError::AnyDriverError(err.into()))?;
        let _waits = lease.node().wait_for_pool();
        sea_schema::Connection::query_all_raw(lease.node().link.connection(), sql).await
    }
}
