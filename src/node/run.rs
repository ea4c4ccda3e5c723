//! Runs a borrowed statement on a leased connection.
//!
//! The statement is borrowed because it may have to run again elsewhere, and because it is known then that it was
//! never handed to a pool that might have sent it. One file for each driver holds the same five functions; the
//! drivers' types share no trait that could carry them once.

#[cfg(feature = "mysql")]
pub(super) mod mysql;
#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;

use sea_orm::{ConnectionTrait, DbErr, ExecResult, QueryResult, Statement};

use super::link::{PooledConnection, dispatch};
use crate::error::DbErrKind;

/// One way of running a statement: which of SeaORM's methods was called.
pub(crate) trait Call: Send + Sync {
    /// What the method returns.
    type Output: Send;
    /// Which of SeaORM's error families its failures belong to.
    const KIND: DbErrKind;
    /// Whether the caller promised that no rows are wanted: then it is not judged and goes to the primary (I4).
    const EXECUTES: bool;

    /// Runs the statement once.
    fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> impl Future<Output = Result<Self::Output, DbErr>> + Send + 'a;
}

/// `query_one_raw`.
pub(crate) struct QueryOne;
/// `query_all_raw`.
pub(crate) struct QueryAll;
/// `execute_raw`.
pub(crate) struct Execute;
/// `execute_unprepared`: the text alone, by the simple protocol.
pub(crate) struct ExecuteUnprepared;

impl Call for QueryOne {
    type Output = Option<QueryResult>;
    const KIND: DbErrKind = DbErrKind::Query;
    const EXECUTES: bool = false;

    async fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<Self::Output, DbErr> {
        dispatch!(
            conn,
            query_one(stmt),
            |db| db.query_one_raw(stmt.clone()),
            Self::KIND
        )
    }
}

impl Call for QueryAll {
    type Output = Vec<QueryResult>;
    const KIND: DbErrKind = DbErrKind::Query;
    const EXECUTES: bool = false;

    async fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<Self::Output, DbErr> {
        dispatch!(
            conn,
            query_all(stmt),
            |db| db.query_all_raw(stmt.clone()),
            Self::KIND
        )
    }
}

impl Call for Execute {
    type Output = ExecResult;
    const KIND: DbErrKind = DbErrKind::Exec;
    const EXECUTES: bool = true;

    async fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<Self::Output, DbErr> {
        dispatch!(
            conn,
            execute(stmt),
            |db| db.execute_raw(stmt.clone()),
            Self::KIND
        )
    }
}

impl Call for ExecuteUnprepared {
    type Output = ExecResult;
    const KIND: DbErrKind = DbErrKind::Exec;
    const EXECUTES: bool = true;

    async fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> Result<Self::Output, DbErr> {
        dispatch!(
            conn,
            execute_unprepared(&stmt.sql),
            |db| db.execute_unprepared(&stmt.sql),
            Self::KIND
        )
    }
}

/// The functions that run a statement on one driver's connection, as SeaORM's own driver for it does.
macro_rules! runner {
    ($database:ty) => {
        use sea_orm::{
            ExecResult, QueryResult, Statement,
            sea_query::Values,
            sqlx::{self, AssertSqlSafe, Executor},
        };
        use sea_query_sqlx::SqlxValues;

        type Connection = <$database as sqlx::Database>::Connection;

        fn query(stmt: &Statement) -> sqlx::query::Query<'_, $database, SqlxValues> {
            let values = stmt
                .values
                .as_ref()
                .map_or_else(|| Values(Vec::new()), Clone::clone);
            sqlx::query_with(AssertSqlSafe(stmt.sql.as_str()), SqlxValues(values))
        }

        pub(in crate::node) async fn query_one(
            conn: &mut Connection,
            stmt: &Statement,
        ) -> Result<Option<QueryResult>, sqlx::Error> {
            match query(stmt).fetch_one(conn).await {
                Ok(row) => Ok(Some(row.into())),
                Err(sqlx::Error::RowNotFound) => Ok(None),
                Err(err) => Err(err),
            }
        }

        pub(in crate::node) async fn query_all(
            conn: &mut Connection,
            stmt: &Statement,
        ) -> Result<Vec<QueryResult>, sqlx::Error> {
            let rows = query(stmt).fetch_all(conn).await?;
            Ok(rows.into_iter().map(Into::into).collect())
        }

        pub(in crate::node) async fn execute(
            conn: &mut Connection,
            stmt: &Statement,
        ) -> Result<ExecResult, sqlx::Error> {
            query(stmt).execute(conn).await.map(Into::into)
        }

        pub(in crate::node) async fn execute_unprepared(
            conn: &mut Connection,
            sql: &str,
        ) -> Result<ExecResult, sqlx::Error> {
            conn.execute(AssertSqlSafe(sql.to_owned()))
                .await
                .map(Into::into)
        }
    };
}
use runner;
