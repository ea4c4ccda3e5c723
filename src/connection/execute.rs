//! The one execute loop: statement, intent, route, lease, outcome, signal.

use std::{
    pin::pin,
    sync::Arc,
    time::{Instant, SystemTime},
};

use sea_orm::{ConnAcquireErr, DbErr, Statement, TransactionOptions, metric};

use super::{
    Callback, RoutedConnection,
    transaction::{BeginOptions, RoutedTransaction, TransactionState},
};
use crate::{
    dispatch::{Attempt, FinishInBackground, asking_why},
    error::DbErrKind,
    node::{Lease, NodePool, run::Call},
    vocabulary::Stage,
};

impl RoutedConnection {
    /// Runs a statement where it belongs, and again elsewhere when it is certain that it was not executed.
    pub(super) async fn run<C: Call>(&self, call: &C, stmt: Statement) -> Result<C::Output, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(C::KIND))?;
        let mut attempt = Attempt::statement(shared, &self.scope, &stmt.sql, C::EXECUTES);
        attempt.settle_verdict().await;
        loop {
            let mut lease = attempt.lease().await.map_err(|err| err.into_db(C::KIND))?;
            let acquired = attempt.acquire(&mut lease).await;
            if acquired.is_ok() && attempt.reroute_if_stale(&lease) {
                continue;
            }
            let (stage, result) = match acquired {
                Ok(_) if lease.is_cut() => (Stage::Acquire, Err(closed())),
                Ok(conn) => {
                    attempt.sends(&lease);
                    let running = lease.run(conn, call, &stmt, attempt.open_write());
                    (Stage::Send, self.observed(&stmt, running).await)
                }
                Err(err) => (Stage::Acquire, Err(err)),
            };
            match result {
                Ok(_) if attempt.wait_late(&lease).await => {}
                Ok(done) => {
                    attempt.succeeded(&stmt.sql);
                    return Ok(done);
                }
                Err(err) => {
                    attempt.failed(&lease, stage, err, C::KIND).await?;
                    attempt.check_primary().await?;
                }
            }
        }
    }

    /// Runs a statement as a stream. It may move until its first row is there, and never after.
    #[cfg(feature = "stream")]
    pub(super) async fn open_stream(
        &self,
        stmt: Statement,
    ) -> Result<super::RoutedStream<'static>, DbErr> {
        use super::RoutedStream;

        let shared = self.shared().map_err(|err| err.into_db(DbErrKind::Query))?;
        let mut attempt = Attempt::statement(shared, &self.scope, &stmt.sql, false);
        attempt.settle_verdict().await;
        loop {
            let mut lease = attempt
                .lease()
                .await
                .map_err(|err| err.into_db(DbErrKind::Query))?;
            let acquired = attempt.acquire(&mut lease).await;
            if acquired.is_ok() && attempt.reroute_if_stale(&lease) {
                continue;
            }
            let opened = match acquired {
                Ok(_) if lease.is_cut() => Err(closed()),
                Ok(conn) => {
                    attempt.sends(&lease);
                    conn.stream(stmt.clone(), self.callback.clone()).await
                }
                Err(err) => Err(err),
            };
            let (stage, err) = match opened {
                Err(err) => (Stage::Acquire, err),
                Ok(rows) => {
                    lease.sending();
                    let write = attempt.take_write();
                    let mut stream = RoutedStream::owned(rows, &lease.node().name, write);
                    match lease
                        .guard(stream.prefetch())
                        .await
                        .unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Query)))
                    {
                        Ok(()) => {
                            attempt.succeeded(&stmt.sql);
                            let ran = attempt.ran(Stage::Yield);
                            return Ok(stream.holding(lease).telling(shared, ran));
                        }
                        Err(err) => {
                            attempt.give_write(stream.into_write());
                            (Stage::Send, err)
                        }
                    }
                }
            };
            let failed = match attempt.failed(&lease, stage, err, DbErrKind::Query).await {
                Ok(()) => attempt.check_primary().await,
                failed => failed,
            };
            if let Err(err) = failed {
                // What a server answers with the first row is the first row's, as in SeaORM.
                return match stage {
                    Stage::Acquire => Err(err),
                    _ => Ok(RoutedStream::failed(err, &lease.node().name)),
                };
            }
        }
    }

    /// Begins a transaction where its options allow. Nothing of the caller's has been sent when it fails.
    pub(super) async fn open_transaction(
        &self,
        options: TransactionOptions,
    ) -> Result<RoutedTransaction, DbErr> {
        let shared = self.shared().map_err(|err| err.into_db(DbErrKind::Exec))?;
        let mut attempt = Attempt::begin(shared, &self.scope, &options);
        loop {
            let mut lease = attempt
                .lease()
                .await
                .map_err(|err| err.into_db(DbErrKind::Exec))?;
            let since = Instant::now();
            let begun = match attempt.place(&mut lease).await {
                Ok(()) => self.begin_fresh(&mut attempt, &lease, options).await,
                Err(err) => Err(err),
            };
            match begun {
                Ok(Some(inner)) => {
                    let opening = BeginOptions::of(&options, since);
                    let (reads, writing) = attempt.into_held();
                    let shared = Arc::clone(shared);
                    let held = TransactionState::new(shared, lease, writing, opening, reads);
                    return Ok(RoutedTransaction { inner, held });
                }
                // Its node was not as far as it had seemed.
                Ok(None) => {}
                Err(err) => {
                    let stage = crate::signal::stage_of(&err);
                    attempt.tries_since(since);
                    attempt.failed(&lease, stage, err, DbErrKind::Exec).await?;
                    attempt.check_primary().await?;
                }
            }
        }
    }

    /// Begins there, unless the node turns out not to be as far as the session.
    async fn begin_fresh(
        &self,
        attempt: &mut Attempt<'_>,
        lease: &Lease,
        options: TransactionOptions,
    ) -> Result<Option<sea_orm::DatabaseTransaction>, DbErr> {
        // What holds the connection stands before the guard, so that it is dropped after it.
        let inner;
        let beginning = pin!(self.begin_on(lease, options));
        let mut unasked = attempt.unasked(lease);
        inner = beginning.await?;
        unasked.mark_begun();
        attempt.greet_begun(lease, &inner).await?;
        let fresh = attempt.prove_begun(lease).await;
        drop(unasked);
        Ok(fresh.then_some(inner))
    }

    async fn begin_on(
        &self,
        lease: &Lease,
        options: TransactionOptions,
    ) -> Result<sea_orm::DatabaseTransaction, DbErr> {
        use sea_orm::TransactionTrait;

        let link: &Arc<NodePool> = &lease.node().link;
        link.present().await?;
        let mut connection = link.connection().clone();
        if let Some(callback) = self.callback.clone() {
            // SeaORM's transaction takes its callback from the connection that begins it.
            connection.set_metric_callback(move |info| callback(info));
        }
        let beginning = async move { connection.begin_with_options(options).await };
        // The connection may be a new one that nobody will ask (rule C4).
        let replayed = Arc::clone(&lease.node().replayed);
        let beginning = FinishInBackground::new(beginning, move || replayed.opaque());
        let beginning = asking_why(self.shared()?, lease.node(), link.while_open(beginning));
        lease
            .guard(beginning)
            .await
            .unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Exec)))
    }

    /// Tells the caller's callback how long a statement ran, as SeaORM's pools do.
    async fn observed<T>(
        &self,
        stmt: &Statement,
        running: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let Some(callback) = &self.callback else {
            return running.await;
        };
        let started = SystemTime::now();
        let result = running.await;
        observe(callback, stmt, started, result.is_err());
        result
    }
}

/// The node lost its role while the statement was on its way: nothing new is sent there (T7).
fn closed() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

fn observe(callback: &Callback, statement: &Statement, started: SystemTime, failed: bool) {
    callback(&metric::Info {
        elapsed: started.elapsed().unwrap_or_default(),
        statement,
        failed,
    });
}
