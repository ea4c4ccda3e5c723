//! A statement's way to a connection.

use std::{future::poll_fn, pin::pin, task::Poll, time::Instant};

use sea_orm::{ConnAcquireErr, DbErr, sqlx};
use tokio::sync::watch;

use super::Attempt;
use crate::{
    error::Kind,
    node::{Lease, Leased, door::Stranger},
};

impl Attempt<'_> {
    /// A connection of the leased node. Where one is idle, this is one poll and no timer.
    pub(in crate::connection) async fn acquire(&mut self, lease: &Lease) -> Result<Leased, DbErr> {
        self.sweep(lease);
        let mut acquiring = pin!(lease.node().link.acquire());
        if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(acquiring.as_mut().poll(cx))).await {
            return match self.asks_each(lease) {
                false => done,
                true => self.prove(lease, done?).await,
            };
        }
        let link = &lease.node().link;
        let refusals = link.guide().map(|guide| guide.refusals());
        let acquiring = link.while_open(acquiring);
        let waited = Instant::now();
        self.started.get_or_insert(waited);
        let limit = self.deadline();
        // A timer beside the pool's own only where that one may run past the deadline.
        let pool_ends = link
            .acquire_timeout()
            .is_some_and(|own| waited + own <= limit);
        let done = if pool_ends || !self.shared.has_replicas() {
            acquiring.await
        } else {
            tokio::time::timeout_at(limit.into(), acquiring)
                .await
                .unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)))
        };
        lease.metrics().acquired(waited.elapsed());
        let done = done.map_err(|err| named(err, refusals.as_ref()));
        self.prove(lease, done?).await
    }

    /// Makes sure that the connection it gets is made in a runtime that lives.
    pub(in crate::connection) fn sweep(&self, lease: &Lease) {
        if self.shared.is_orphaned() {
            lease.node().link.sweep();
        }
    }
}

/// What kept a connection from being had in time, where it was where it led to.
fn named(err: DbErr, refusals: Option<&watch::Receiver<Option<Stranger>>>) -> DbErr {
    let refusals = refusals.filter(|refusals| refusals.has_changed().unwrap_or(false));
    match (&err, refusals.and_then(|refusals| *refusals.borrow())) {
        (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), Some(stranger)) => {
            Kind::Conn.of_sqlx(sqlx::Error::Configuration(Box::new(stranger)))
        }
        _ => err,
    }
}
