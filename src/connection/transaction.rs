//! A transaction: one node, one connection, from `begin` to its end.
//!
//! It wraps SeaORM's own transaction, which cannot be built from outside, and adds what the wrapping is for: the lease,
//! the pin after a commit, the poison after a failed nested `begin` (rule R9), and a typed error for a lost connection.
//! The type has no `Drop` of its own, so that `commit(self)` can move the inner transaction out; its [`Held`] has one.

mod begin;
mod commit;
#[cfg(all(feature = "testing", feature = "postgres"))]
mod fenced;
mod settle;
mod state;
mod traits;

use std::fmt;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, ExecResult, QueryResult, Schema, SchemaBuilder,
    Statement, TransactionError, TransactionOptions, TransactionSession, TransactionTrait,
};

pub(crate) use self::state::{BeginOptions, TransactionState};
use crate::{error::DbErrKind, node::run::CountsRows, span::Subject, state::Ran, vocabulary::Role};

/// A transaction begun through a [`RoutedConnection`](crate::RoutedConnection); stands where a
/// `sea_orm::DatabaseTransaction` stood.
///
/// Every statement runs on the node where it began. A nested `begin` is a savepoint. Dropped without an end, it is
/// rolled back when its connection returns to the pool.
///
/// - On a replica, where a read-only transaction may run, its statements are judged as everywhere: what is not proven to
///   be a read is [`Error::OnlyReads`](crate::Error::OnlyReads) and is not sent, so that no lock, `dblink` or `COPY … TO
///   PROGRAM` takes effect there. Begin such a transaction by [`primary()`](crate::RoutedConnection::primary). What
///   belongs to the transaction itself may be said on either: savepoints, `SHOW`, `SET LOCAL`, `current_setting`, and
///   `set_config(…, true)`, for settings that cannot change what a text means.
/// - A lost connection ends it with [`Error::TransactionLost`](crate::Error::TransactionLost): nothing of it is stored.
/// - A connection lost while COMMIT is under way is [`Error::UnknownOutcome`](crate::Error::UnknownOutcome).
/// - COMMIT after an error that made PostgreSQL abort the transaction is
///   [`Error::CommitAborted`](crate::Error::CommitAborted); SeaORM alone answers `Ok` there and stores nothing.
/// - After a deadlock on MariaDB or MySQL, which ends the transaction there, every statement and `commit` is
///   [`Error::TransactionLost`](crate::Error::TransactionLost); SeaORM alone goes on outside any transaction. So it is after a
///   lock's limit (1205) where the server has `innodb_rollback_on_timeout`; elsewhere that ends the statement alone.
/// - After a failed nested `begin` every statement and `commit` is
///   [`Error::TransactionPoisoned`](crate::Error::TransactionPoisoned); SeaORM alone goes on outside any transaction.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sea_orm::{ConnectionTrait, TransactionTrait};
///
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// db.execute_unprepared("CREATE TABLE account (id int, balance int)").await?;
/// let txn = db.begin().await?;
/// assert_eq!(txn.node(), "memory");
/// txn.execute_unprepared("INSERT INTO account VALUES (1, 10)").await?;
/// let savepoint = txn.begin().await?;
/// savepoint.execute_unprepared("UPDATE account SET balance = 0").await?;
/// savepoint.rollback().await?;
/// txn.commit().await?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[must_use = "a transaction that is dropped is rolled back"]
pub struct RoutedTransaction {
    pub(super) inner: DatabaseTransaction,
    pub(super) held: TransactionState,
}

impl RoutedTransaction {
    /// The role of the node it runs on: a read-only transaction may run on a replica.
    #[must_use]
    pub fn role(&self) -> Role {
        self.held.lease().role()
    }

    /// The name of the node it runs on.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.held.lease().node().name
    }

    /// SeaORM's own transaction, for functions that name its type.
    ///
    /// Statements through it run on the same connection. What this wrapper would have noticed of them it does not see:
    /// it takes the transaction for one that wrote, and looks for an aborted state before it commits. Nor does it judge
    /// them: of a transaction on a replica, hand this to what only reads, or begin it by
    /// [`primary()`](crate::RoutedConnection::primary).
    pub fn concrete(&self) -> &DatabaseTransaction {
        self.held.note_unseen();
        &self.inner
    }

    /// A builder for this backend's schema.
    pub fn get_schema_builder(&self) -> SchemaBuilder {
        Schema::new(self.inner.get_database_backend()).builder()
    }

    pub(super) async fn execute_stmt(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        let span = self.held.span(Subject::of(&stmt));
        let work = async {
            let ran = self.judge(&stmt.sql, DbErrKind::Exec).await?;
            self.held
                .run(DbErrKind::Exec, ran, self.inner.execute_raw(stmt))
                .await
        };
        self.held.observe(span, work).await
    }

    pub(super) async fn execute_text(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let span = self.held.span(Subject::Text { sql, bound: false });
        let work = async {
            let ran = self.judge(sql, DbErrKind::Exec).await?;
            self.held
                .run(DbErrKind::Exec, ran, self.inner.execute_unprepared(sql))
                .await
        };
        self.held.observe(span, work).await
    }

    pub(super) async fn query_one_stmt(
        &self,
        stmt: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.query(stmt, |stmt| self.inner.query_one_raw(stmt))
            .await
    }

    pub(super) async fn query_all_stmt(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.query(stmt, |stmt| self.inner.query_all_raw(stmt))
            .await
    }

    async fn query<T, F>(
        &self,
        stmt: Statement,
        rows: impl FnOnce(Statement) -> F + Send,
    ) -> Result<T, DbErr>
    where
        T: CountsRows,
        F: Future<Output = Result<T, DbErr>> + Send,
    {
        let span = self.held.span(Subject::of(&stmt));
        let work = async {
            let ran = self.judge(&stmt.sql, DbErrKind::Query).await?;
            #[cfg(all(feature = "testing", feature = "postgres"))]
            let before = self.look(&stmt).await;
            let running = self.held.run(DbErrKind::Query, ran, rows(stmt));
            #[cfg(all(feature = "testing", feature = "postgres"))]
            let running = self.checked(before, running);
            running.await
        };
        self.held.observe(span, work).await
    }

    /// A stream inside the transaction. What goes wrong in it later is not seen here, so COMMIT looks.
    #[cfg(feature = "stream")]
    pub(super) async fn open_stream<'a>(
        &'a self,
        stmt: Statement,
    ) -> Result<crate::connection::RoutedStream<'a>, DbErr> {
        use sea_orm::StreamTrait;

        let mut span = self.held.span(Subject::of(&stmt));
        let work = async {
            let ran = self.judge(&stmt.sql, DbErrKind::Query).await?;
            self.held.doubt();
            self.held
                .run(DbErrKind::Query, ran, self.inner.stream_raw(stmt))
                .await
        };
        let rows = span.entrance().run(work).await;
        let rows = rows.map_err(|err| self.held.failed(&mut span, err))?;
        let stream = crate::connection::RoutedStream::borrowed(rows, self.node());
        Ok(stream.of_transaction(&self.held).spanned(span.hand_over()))
    }

    /// A savepoint. Should it fail, or its future be dropped before the answer, this whole transaction is poisoned: sqlx
    /// may have rolled the outer one back, and what came next would be stored in spite of a later `rollback()`.
    pub(super) async fn nested(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        let span = self.held.span(Subject::Call("SAVEPOINT"));
        let work = async {
            self.settle(DbErrKind::Exec).await?;
            self.held.check(DbErrKind::Exec)?;
            self.held.may_nest(&options)?;
            let poison = self.held.poison_on_drop();
            let begun = self
                .held
                .run(
                    DbErrKind::Exec,
                    Ran::Other,
                    self.inner.begin_with_options(options),
                )
                .await;
            let inner = begun?;
            poison.disarm();
            Ok(Self {
                inner,
                held: self.held.nested(),
            })
        };
        self.held.observe(span, work).await
    }

    /// Ends it by the result of what ran in it, as SeaORM does: commit on `Ok`, roll back on `Err`, and an error of
    /// either end wins over the closure's. By the trait's ends, whose futures are boxed: this one is compiled into the
    /// application.
    pub(super) async fn finish<T, E>(self, result: Result<T, E>) -> Result<T, TransactionError<E>>
    where
        E: fmt::Display + fmt::Debug,
    {
        match result {
            Ok(value) => {
                TransactionSession::commit(self)
                    .await
                    .map_err(TransactionError::Connection)?;
                Ok(value)
            }
            Err(err) => {
                TransactionSession::rollback(self)
                    .await
                    .map_err(TransactionError::Connection)?;
                Err(TransactionError::Transaction(err))
            }
        }
    }
}

impl CountsRows for RoutedTransaction {}

impl fmt::Debug for RoutedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutedTransaction")
            .field("node", &self.node())
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}
