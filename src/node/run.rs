//! Runs a borrowed statement on a leased connection, and says what becomes of both when its caller goes away.
//!
//! The statement is borrowed because it may have to run again elsewhere, and because it is known then that it was
//! never handed to a pool that might have sent it. One file for each driver holds the same five functions; the
//! drivers' types share no trait that could carry them once.

mod adopted;
#[cfg(feature = "postgres")]
mod block;
#[cfg(all(feature = "testing", feature = "postgres"))]
mod fenced;
mod flight;
mod local;
#[cfg(feature = "mysql")]
pub(super) mod mysql;
#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;

use sea_orm::{ConnectionTrait, DbErr, ExecResult, QueryResult, Statement};

use self::flight::{Flight, LOOK};
pub(crate) use self::local::{LocalCall, LocalStage};
use super::{Lease, PooledConnection, local::Beginning};
use crate::{
    causality::OpenWrite,
    error::{DbErrKind, Error, causes::LocalProblem},
    signal,
};

/// What says how many rows it is.
pub(crate) trait CountsRows {
    /// The rows; `None` of what is none.
    fn rows(&self) -> Option<u64> {
        None
    }
}

impl CountsRows for ExecResult {}

impl CountsRows for Option<QueryResult> {
    fn rows(&self) -> Option<u64> {
        Some(self.is_some().into())
    }
}

impl CountsRows for Vec<QueryResult> {
    fn rows(&self) -> Option<u64> {
        self.len().try_into().ok()
    }
}

impl CountsRows for () {}

/// One way of running a statement: which of SeaORM's methods was called.
pub(crate) trait Call: Send + Sync {
    /// What the method returns.
    type Output: Send + CountsRows;
    /// Which of SeaORM's error families its failures belong to.
    const KIND: DbErrKind;
    /// Whether the caller promised that no rows are wanted: then it is not judged and goes to the primary (I4).
    const EXECUTES: bool;
    /// Whether its text is one message of the simple protocol.
    const SIMPLE: bool = false;

    /// Runs the statement once.
    fn run<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> impl Future<Output = Result<Self::Output, DbErr>> + Send + 'a;

    /// Runs the statement once, on a connection that is in a transaction for that.
    fn run_inside<'a>(
        &'a self,
        conn: &'a mut PooledConnection,
        stmt: &'a Statement,
    ) -> impl Future<Output = Result<Self::Output, DbErr>> + Send + 'a {
        self.run(conn, stmt)
    }

    /// Of a call that has a transaction of its own: whether the driver may not know of that yet.
    fn beginning(&self) -> Option<&Beginning> {
        None
    }
}

/// One of SeaORM's methods, on a connection that is in somebody's transaction.
pub(crate) trait PlainCall: Call {
    /// Runs the statement on a connection of ours.
    #[cfg(feature = "postgres")]
    fn run_postgres<'a>(
        &'a self,
        conn: &'a mut sea_orm::sqlx::PgConnection,
        stmt: &'a Statement,
    ) -> impl Future<Output = Result<Self::Output, DbErr>> + Send + 'a;

    /// Runs the statement by SeaORM's own method.
    fn run_seaorm<'a>(
        &'a self,
        db: &'a impl ConnectionTrait,
        stmt: &'a Statement,
    ) -> impl Future<Output = Result<Self::Output, DbErr>> + Send + 'a;
}

/// What has a transaction of its own runs on PostgreSQL only.
pub(super) fn no_local(kind: DbErrKind) -> DbErr {
    let why = LocalProblem::Backend;
    Error::LocalSetting { why }.into_db(kind)
}

/// `query_one_raw`.
pub(crate) struct QueryOne;
/// `query_all_raw`.
pub(crate) struct QueryAll;
/// `execute_raw`.
pub(crate) struct Execute;
/// `execute_unprepared`: the text alone, by the simple protocol.
pub(crate) struct ExecuteUnprepared;

/// One of SeaORM's methods: what it returns, which errors it fails with, and the function of a driver that runs it, with
/// what that takes of the statement; on a connection that the application made, SeaORM's own method.
macro_rules! call {
    ($call:ident, $kind:ident, $executes:literal, $output:ty $(, $simple:literal)?:
        |$stmt:ident| $function:ident($taken:expr), $method:ident($handed:expr)) => {
        impl Call for $call {
            type Output = $output;
            const KIND: DbErrKind = DbErrKind::$kind;
            const EXECUTES: bool = $executes;
            $(const SIMPLE: bool = $simple;)?

            async fn run<'a>(
                &'a self,
                conn: &'a mut PooledConnection,
                $stmt: &'a Statement,
            ) -> Result<Self::Output, DbErr> {
                match conn {
                    #[cfg(feature = "postgres")]
                    PooledConnection::Postgres(conn, _) => self.run_postgres(conn, $stmt).await,
                    #[cfg(feature = "mysql")]
                    PooledConnection::MySql(conn) => mysql::$function(conn, $taken)
                        .await
                        .map_err(|err| Self::KIND.of_sqlx(err)),
                    #[cfg(feature = "sqlite")]
                    PooledConnection::Sqlite(conn) => sqlite::$function(conn, $taken)
                        .await
                        .map_err(|err| Self::KIND.of_sqlx(err)),
                    PooledConnection::Adopted(own) => own.run(self, $stmt).await,
                }
            }
        }

        impl PlainCall for $call {
            #[cfg(feature = "postgres")]
            async fn run_postgres<'a>(
                &'a self,
                conn: &'a mut sea_orm::sqlx::PgConnection,
                $stmt: &'a Statement,
            ) -> Result<Self::Output, DbErr> {
                let ran = postgres::$function(conn, $taken).await;
                ran.map_err(|err| Self::KIND.of_sqlx(err))
            }

            async fn run_seaorm<'a>(
                &'a self,
                db: &'a impl ConnectionTrait,
                $stmt: &'a Statement,
            ) -> Result<Self::Output, DbErr> {
                db.$method($handed).await
            }
        }
    };
}

call!(QueryOne, Query, false, Option<QueryResult>: |stmt| query_one(stmt), query_one_raw(stmt.clone()));
call!(QueryAll, Query, false, Vec<QueryResult>: |stmt| query_all(stmt), query_all_raw(stmt.clone()));
call!(Execute, Exec, true, ExecResult: |stmt| execute(stmt), execute_raw(stmt.clone()));
call!(ExecuteUnprepared, Exec, true, ExecResult, true:
    |stmt| execute_unprepared(&stmt.sql), execute_unprepared(&stmt.sql));

impl Lease {
    /// Runs a statement on a connection of this node. A cut node's connection is thrown away, not given back. `write` is
    /// what is open with it: a future that is dropped does not take its statement back (rule C1).
    pub(crate) async fn run<C: Call>(
        &mut self,
        conn: PooledConnection,
        call: &C,
        stmt: &Statement,
        write: Option<&OpenWrite>,
    ) -> Result<C::Output, DbErr> {
        self.sending();
        let link = &self.seat.node.link;
        let block = link.needs_blocks() || (link.is_shared() && self.bound);
        let mut flight = Flight {
            block,
            conn: Some(conn),
            permit: self.permit.take(),
            open: write,
            seat: &self.seat,
            beginning: call.beginning(),
        };
        let Some(conn) = &mut flight.conn else {
            return Err(self.cut_off(false).into_db(C::KIND));
        };
        let ran = match block {
            false => self.guard(call.run(conn, stmt)).await,
            true => self.in_block(conn, call, stmt, write).await,
        };
        if let Ok(Err(err)) = &ran
            && signal::is_doubtful(err)
        {
            // The flight still holds it, so that a caller who leaves now leaves a write that is looked after.
            let ready = tokio::time::timeout(LOOK, conn.ready());
            self.lives = ready.await == Ok(true);
        }
        if matches!(&ran, Ok(Err(_))) && flight.beginning.is_some() {
            // The flight still holds it, as before.
            flight.settle().await;
        }
        let mut conn = flight.conn.take();
        if let (Ok(_), Some(permit), Some(sent)) = (&ran, &flight.permit, self.sent) {
            permit.answered(sent);
        }
        if let Ok(Err(err)) = &ran
            && signal::is_outdated(err)
            && let Some(own) = conn.take()
        {
            // Where it cannot it is gone, which is as good.
            drop(own.forgetting().await);
        }
        if let Ok(Ok(_)) = &ran
            && let Some(own) = conn.take()
        {
            self.seat.node.give_back(own);
        }
        ran.unwrap_or_else(|cut| {
            if let Some(conn) = conn {
                conn.discard();
            }
            Err(cut.into_db(C::KIND))
        })
    }
}

impl Lease {
    /// Runs it in a transaction of its own, where that keeps its connection and its server. In a future of its own, so that
    /// others are no larger for it.
    async fn in_block<C: Call>(
        &self,
        conn: &mut PooledConnection,
        call: &C,
        stmt: &Statement,
        write: Option<&OpenWrite>,
    ) -> Result<Result<C::Output, DbErr>, crate::error::Error> {
        #[cfg(feature = "postgres")]
        if let Some(guide) = self.seat.node.link.guide() {
            let block = block::Block {
                on_replica: self.role() == crate::vocabulary::Role::Replica,
                bound: self.bound,
                write,
                guide,
            };
            let running: futures_util::future::BoxFuture<'_, _> =
                Box::pin(block.run(conn, call, stmt));
            return self.guard(running).await;
        }
        let _ = write;
        self.guard(call.run(conn, stmt)).await
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

        pub(in crate::node) fn query(
            stmt: &Statement,
        ) -> sqlx::query::Query<'_, $database, SqlxValues> {
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
