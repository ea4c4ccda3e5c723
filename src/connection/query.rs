//! A query or an execution: one statement, whose answer comes whole.

use std::time::SystemTime;

use sea_orm::{DbErr, Statement, metric};

use super::{Callback, RoutedConnection};
use crate::{
    dispatch::{self, Arrival, Attempt, Failed, Work},
    error::DbErrKind,
    node::{Lease, run::Call},
};

/// A statement, and which of SeaORM's methods was called for it.
struct Query<'a, C> {
    call: &'a C,
    stmt: &'a Statement,
    callback: Option<&'a Callback>,
}

impl RoutedConnection {
    /// Runs a statement where it belongs.
    pub(super) async fn run<C: Call>(&self, call: &C, stmt: Statement) -> Result<C::Output, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(C::KIND))?;
        let query = Query {
            call,
            stmt: &stmt,
            callback: self.callback.as_ref(),
        };
        dispatch::run(shared, &self.scope, &query).await
    }
}

impl<C: Call> Work for Query<'_, C> {
    type Sent = C::Output;
    type Output = C::Output;
    const KIND: DbErrKind = C::KIND;

    fn arrival(&self) -> Arrival<'_> {
        match C::EXECUTES {
            true => Arrival::Execution(&self.stmt.sql),
            false => Arrival::Query(&self.stmt.sql),
        }
    }

    async fn send(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &mut Lease,
    ) -> Result<Option<C::Output>, Failed> {
        let Some(conn) = attempt.connect(lease).await? else {
            return Ok(None);
        };
        let running = lease.run(conn, self.call, self.stmt, attempt.open_write());
        match self.observed(running).await {
            Ok(done) => Ok(attempt.unless_refuted(lease, done).await),
            Err(err) => Err(Failed::sent(err)),
        }
    }

    fn done(&self, attempt: &mut Attempt<'_>, _lease: Lease, done: C::Output) -> C::Output {
        attempt.succeeded();
        done
    }
}

impl<C: Call> Query<'_, C> {
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
