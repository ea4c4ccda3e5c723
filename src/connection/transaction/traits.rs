//! SeaORM's traits and inherent methods on a routed transaction.

use std::pin::Pin;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseExecutor, DbBackend, DbErr, ExecResult,
    IntoDatabaseExecutor, IsolationLevel, QueryResult, Statement, StatementBuilder,
    TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
};

use super::{RoutedTransaction, state::nothing};
use crate::connection::query::{Boxed, built_for_raw};

impl RoutedTransaction {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a handle that was never connected has no backend; a transaction always has one"
    )]
    fn built(&self, stmt: &impl StatementBuilder) -> Result<Statement, DbErr> {
        Ok(ConnectionTrait::get_database_backend(self).build(stmt))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for RoutedTransaction {
    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(&self.inner)
    }

    built_for_raw! {
        execute => execute_raw -> ExecResult;
        query_one => query_one_raw -> Option<QueryResult>;
        query_all => query_all_raw -> Vec<QueryResult>;
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        self.execute_stmt(stmt).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_text(sql).await
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.query_one_stmt(stmt).await
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.query_all_stmt(stmt).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.inner.is_mock_connection()
    }
}

#[async_trait::async_trait]
impl TransactionTrait for RoutedTransaction {
    type Transaction = Self;

    async fn begin(&self) -> Result<Self, DbErr> {
        self.nested(TransactionOptions::default()).await
    }

    async fn begin_with_config(
        &self,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<Self, DbErr> {
        self.nested(TransactionOptions {
            isolation_level,
            access_mode,
            ..Default::default()
        })
        .await
    }

    async fn begin_with_options(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        self.nested(options).await
    }

    async fn transaction<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
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
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
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

#[async_trait::async_trait]
impl TransactionSession for RoutedTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        self.rollback().await
    }
}

impl RoutedTransaction {
    /// Runs an async closure inside a nested transaction: committed on `Ok`, rolled back on `Err`.
    ///
    /// # Errors
    /// [`TransactionError::Connection`] when the savepoint cannot be set, kept or undone, else the closure's own.
    pub async fn transaction_async<F, T, E>(&self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<T, E> + Send,
        T: Send,
        E: std::fmt::Display + std::fmt::Debug + Send,
    {
        self.transaction_with_config_async(callback, None, None)
            .await
    }

    /// As [`transaction_async`](Self::transaction_async), with an isolation level and an access mode.
    ///
    /// # Errors
    /// As [`transaction_async`](Self::transaction_async).
    pub async fn transaction_with_config_async<F, T, E>(
        &self,
        callback: F,
        isolation_level: Option<IsolationLevel>,
        access_mode: Option<AccessMode>,
    ) -> Result<T, TransactionError<E>>
    where
        F: for<'c> AsyncFnOnce(&'c Self) -> Result<T, E> + Send,
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
impl sea_orm::StreamTrait for RoutedTransaction {
    type Stream<'a> = crate::RoutedStream<'a>;

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

impl<'c> From<&'c RoutedTransaction> for DatabaseExecutor<'c> {
    fn from(txn: &'c RoutedTransaction) -> Self {
        DatabaseExecutor::Transaction(txn.concrete())
    }
}

impl<'c> IntoDatabaseExecutor<'c> for &'c RoutedTransaction {
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        self.into()
    }
}

/// Given away whole, as migrations take it: what ends it and what it does is not seen here. Until its server says that
/// it is over, reads of its session go to the primary, as after a write whose caller has gone.
///
/// One whose connection is lost, or in which a nested `begin` has failed, is rolled back, and every statement of what
/// comes of it is an error. What is said of one on a replica at [`concrete`](RoutedTransaction::concrete) holds here.
impl IntoDatabaseExecutor<'static> for RoutedTransaction {
    fn into_database_executor(self) -> DatabaseExecutor<'static> {
        let Self { inner, held } = self;
        let backend = ConnectionTrait::get_database_backend(&inner);
        match held.give_away() {
            true => DatabaseExecutor::OwnedTransaction(inner),
            false => DatabaseExecutor::Connection(nothing(backend)),
        }
    }
}

#[cfg(feature = "schema-sync")]
#[async_trait::async_trait]
impl sea_schema::Connection for RoutedTransaction {
    async fn query_all(
        &self,
        select: sea_orm::sea_query::SelectStatement,
    ) -> Result<Vec<sea_schema::sqlx_types::SqlxRow>, sea_schema::sqlx_types::SqlxError> {
        let stmt = ConnectionTrait::get_database_backend(self).build(&select);
        self.may_read(&stmt.sql).await?;
        sea_schema::Connection::query_all(&self.inner, select).await
    }

    async fn query_all_raw(
        &self,
        sql: String,
    ) -> Result<Vec<sea_schema::sqlx_types::SqlxRow>, sea_schema::sqlx_types::SqlxError> {
        self.may_read(&sql).await?;
        sea_schema::Connection::query_all_raw(&self.inner, sql).await
    }
}

#[cfg(feature = "schema-sync")]
impl RoutedTransaction {
    /// Whether schema discovery may say this here.
    async fn may_read(&self, sql: &str) -> Result<(), sea_schema::sqlx_types::SqlxError> {
        let judged = self.judge(sql, crate::error::DbErrKind::Query).await;
        judged
            .map(drop)
            .map_err(|err| sea_schema::sqlx_types::SqlxError::AnyDriverError(err.into()))
    }
}
