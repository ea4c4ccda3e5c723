//! A query or an execution: one statement, whose answer comes whole. SeaORM's [`ConnectionTrait`] asks for them.
//!
//! What is generic in the trait is compiled into the application: it does no more than call what is not, whose boxed
//! future is a type of one size and of no depth. With our futures inside, the application's own grew by kilobytes, and
//! those of SeaORM's tests became too deep for the compiler.

use std::{pin::Pin, time::SystemTime};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StatementBuilder, metric,
};

use super::{Callback, RoutedConnection, local};
use crate::{
    cluster::shared::Shared,
    dispatch::{self, Attempt, Failed, Overrides, Work},
    error::DbErrKind,
    intent::Classification,
    node::{
        Lease, PooledConnection,
        local::{LocalAccess, LocalSettings},
        run::{
            CountsRows, Execute, ExecuteUnprepared, LocalCall, LocalStage, PlainCall, QueryAll,
            QueryOne,
        },
    },
    span::Subject,
    vocabulary::{Intent, Reason, Stage},
};

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

/// A statement, and which of SeaORM's methods was called for it.
struct Query<'a, C> {
    call: &'a C,
    stmt: &'a Statement,
    callback: Option<&'a Callback>,
}

impl RoutedConnection {
    /// Runs a statement where it belongs.
    pub(super) async fn run<C: PlainCall>(
        &self,
        call: &C,
        stmt: Statement,
    ) -> Result<C::Output, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(C::KIND))?;
        local::check(&self.overrides, &stmt.sql, C::KIND)
            .map_err(|err| dispatch::refuse(shared, Subject::of(&stmt), err))?;
        let query = Query {
            call,
            stmt: &stmt,
            callback: self.callback.as_ref(),
        };
        dispatch::run(shared, &self.overrides, &query).await
    }
}

impl<C: PlainCall> Work for Query<'_, C> {
    type Sent = C::Output;
    type Output = C::Output;
    const KIND: DbErrKind = C::KIND;

    /// What is handed to `execute…` is not judged (I4).
    fn classify(&self, shared: &Shared, overrides: &Overrides) -> Classification {
        match C::EXECUTES {
            true => Classification::new(Intent::Write, Reason::Execute),
            false => dispatch::classify(shared, overrides, &self.stmt.sql),
        }
    }

    fn sql(&self) -> Option<&str> {
        Some(&self.stmt.sql)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::of(self.stmt)
    }

    async fn send(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &mut Lease,
    ) -> Result<Option<C::Output>, Failed> {
        let Some(conn) = attempt.connect(lease).await? else {
            return Ok(None);
        };
        lease.bind(attempt.needs_known_server());
        let ran = match attempt.own_transaction(lease) {
            None => {
                let running = lease.run(conn, self.call, self.stmt, attempt.open_write());
                self.observed(running).await.map_err(Failed::sent)
            }
            // Boxed: the future of everybody else's statements does not grow.
            Some(local) => {
                let sent = Box::pin(self.send_local(attempt, lease, conn, local)).await;
                let refused = sent.as_ref().err().filter(|no| no.stage == Stage::Acquire);
                if refused.is_some_and(|no| attempt.is_refused_followers(&no.err)) {
                    return Ok(None);
                }
                sent
            }
        };
        match ran {
            Ok(done) => Ok(attempt.unless_refuted(lease, done).await),
            Err(failed) => Err(failed),
        }
    }

    fn done(&self, attempt: &mut Attempt<'_>, _lease: Lease, done: C::Output) -> C::Output {
        attempt.succeeded();
        attempt.span.gave(done.rows());
        done
    }
}

impl<C: PlainCall> Query<'_, C> {
    /// Sends it in a transaction of its own, which sets the handle's settings. What fails before COMMIT is sent has stored
    /// nothing (rule T9); a read may be sent again whatever became of its COMMIT.
    async fn send_local(
        &self,
        attempt: &Attempt<'_>,
        lease: &mut Lease,
        conn: PooledConnection,
        local: &LocalSettings,
    ) -> Result<C::Output, Failed> {
        let access = attempt.local_access();
        let call = LocalCall::new(self.call, local, access);
        let running = lease.run(conn, &call, self.stmt, attempt.open_write());
        let ran = self.observed(running).await;
        ran.map_err(|err| match (call.stage(), access) {
            (LocalStage::Beginning, _) => Failed::to_acquire(err),
            (_, LocalAccess::ReadOnly) => Failed::sent(err),
            (LocalStage::Running, LocalAccess::Write) => Failed::uncommitted(err),
            (LocalStage::Committing, LocalAccess::Write) => Failed::at(Stage::Commit, err),
        })
    }

    /// Tells the caller's callback how long a statement ran, as SeaORM's pools do.
    async fn observed<T>(
        &self,
        running: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let Some(callback) = self.callback else {
            return running.await;
        };
        let started = SystemTime::now();
        let result = running.await;
        callback(&metric::Info {
            elapsed: started.elapsed().unwrap_or_default(),
            statement: self.stmt,
            failed: result.is_err(),
        });
        result
    }
}
