//! A statement's way to a connection.

use std::{
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbErr, sqlx};
use tokio::sync::watch;

use super::{Attempt, Failed, phase::Phase};
use crate::{
    causality::{
        OpenWrite,
        unresolved::{By, Trace},
    },
    error::DbErrKind,
    node::{ANSWER, Lease, PooledConnection, door::Stranger},
    route::Forced,
    vocabulary::{Intent, Role},
};

/// How many connections to servers that are too far behind a read looks at before it waits for news of the topology.
const FAR_LOOKS: u8 = 8;

impl Attempt<'_> {
    /// A connection that the statement may be sent on now; nothing where it has to be routed anew.
    pub(crate) async fn connect(
        &mut self,
        lease: &mut Lease,
    ) -> Result<Option<PooledConnection>, Failed> {
        let conn = self.acquire(lease).await.map_err(Failed::to_acquire)?;
        let Some(conn) = conn else {
            return Ok(None);
        };
        if std::mem::take(&mut self.progress.far) {
            return self
                .look_further(conn)
                .map(|()| None)
                .map_err(Failed::to_acquire);
        }
        if self.reroute_if_stale(lease) {
            if std::mem::take(&mut self.progress.lags) {
                // The next one that is opened may lead to another server; those that are far enough are used again.
                conn.discard();
            }
            return Ok(None);
        }
        if lease.is_cut() {
            // The node lost its role while the statement was on its way: nothing new is sent there (T7).
            return Err(Failed::to_acquire(DbErr::ConnectionAcquire(
                ConnAcquireErr::ConnectionClosed,
            )));
        }
        self.freshness.begin_read(lease);
        Ok(Some(conn))
    }

    /// Lets a read that insists on a replica look at another connection than this one.
    fn look_further(&mut self, conn: PooledConnection) -> Result<(), DbErr> {
        if std::mem::take(&mut self.progress.lags) {
            conn.discard();
            return self.looks_on();
        }
        // What is idle was asked first, and nobody is known to be near enough: it waits for news.
        self.progress.far_looks = FAR_LOOKS;
        self.looks_on()
    }

    /// Lets a read look at another connection, unless it has looked at too many.
    pub(super) fn looks_on(&mut self) -> Result<(), DbErr> {
        self.progress.far_looks = self.progress.far_looks.saturating_add(1);
        match self.progress.far_looks < FAR_LOOKS {
            true => Ok(()),
            false => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
        }
    }

    /// Sends a read to the primary instead, when the node is not as far as it needs, now that it holds a connection. What was
    /// known when it was routed may have fallen: the connection may be one that another statement opened to a server in a
    /// new incarnation. Whether it has to be routed again.
    pub(super) fn reroute_if_stale(&mut self, lease: &Lease) -> bool {
        let replica = lease.role() == Role::Replica;
        if replica && self.judge_anew() {
            return true;
        }
        // What did not have to wait was decided just now.
        if self.timing.started().is_some() && self.notes_node_to_spare(lease) {
            return true;
        }
        if !replica || self.request.overrides.force == Forced::Replica {
            return false;
        }
        self.freshness.renew(&self.request, |need| need);
        let (request, classification) = (&self.request, self.classification);
        let stale = !self.freshness.allows(request, classification, lease.node());
        if stale {
            self.freshness.take_the_primary();
            self.freshness.waited_out = true;
        }
        stale
    }

    /// Judges a read anew whose verdict may hold no more; whether it did. The connection that it was given may be the
    /// first to say that its session reads strings in another way than the lexer does.
    fn judge_anew(&mut self) -> bool {
        let classifier = self.request.classifier();
        let Some(sql) = self.request.sql.filter(|sql| classifier.distrusts(sql)) else {
            return false;
        };
        if self.classification.intent != Intent::Read {
            return false;
        }
        self.classification = classifier.verdict(sql);
        true
    }

    /// A connection of the leased node, or of the first that has a permit: the lease is on that one then. Nothing where the
    /// server has closed it; another one has to be taken.
    async fn acquire(&mut self, lease: &mut Lease) -> Result<Option<PooledConnection>, DbErr> {
        let mut conn = self.connection(lease).await?;
        // A write is sent once, so not on what may be closed.
        if self.may_write() && lease.node().may_hand_out_ended() {
            let answer = lease
                .guard(tokio::time::timeout(ANSWER, conn.ready()))
                .await;
            if !matches!(answer, Ok(Ok(true))) {
                conn.discard();
                return Ok(None);
            }
        }
        let conn = match self.progress.renewed {
            0 => conn,
            // Whichever connection it got: it may be another one that has the old statement.
            _ => {
                let forgetting = lease.guard(conn.forgetting());
                forgetting
                    .await
                    .unwrap_or_else(|cut| Err(cut.into_db(DbErrKind::Conn)))?
            }
        };
        match self.guards.write.is_some() {
            true => self.trace(lease, conn).await.map(Some),
            false => Ok(Some(conn)),
        }
    }

    /// Makes sure that the write can be found at its server, should it be lost. Only a connection's first write has to
    /// ask for that.
    async fn trace(
        &mut self,
        lease: &Lease,
        conn: PooledConnection,
    ) -> Result<PooledConnection, DbErr> {
        let limit = self.request.shared.config.acquire_timeout;
        // Dropped on the way, it goes back to its pool by way of a round trip.
        let asked = lease.guard(tokio::time::timeout(limit, conn.backend(lease.node())));
        let (conn, backend) = match asked.await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => {
                self.progress.silent = Some(Phase::Permit);
                return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
            }
            Err(cut) => return Err(cut.into_db(DbErrKind::Conn)),
        };
        if let Some(write) = &mut self.guards.write {
            write.mark_sent(Trace {
                node: lease.node().id,
                by: backend.map_or(By::Nothing, By::Backend),
            });
        }
        Ok(conn)
    }

    /// Where a permit and an idle connection are there, this is one poll and no timer.
    async fn connection(&mut self, lease: &mut Lease) -> Result<PooledConnection, DbErr> {
        self.sweep(lease);
        // The permit first: who comes while the sockets are looked at comes after this one.
        let has_permit = lease.try_permit(&self.line(self.progress.reason, true));
        // A write finds no second node, and a connection may serve it that nobody has asked since its last answer.
        lease.node().weed(self.may_write()).await;
        let asks_each = self.freshness.asks_each(&self.request, lease);
        let idle = match (has_permit, asks_each) {
            (true, Some(need)) => lease.node().take_idle_for(need),
            (true, None) => lease.node().take_idle(),
            (false, _) => None,
        };
        if let Some(conn) = idle {
            self.acquired(lease, Duration::ZERO);
            return match asks_each {
                None => Ok(conn),
                Some(_) => self.prove(lease, conn).await,
            };
        }
        if has_permit && lease.node().link.has_idle() {
            let node = lease.node();
            let mut acquiring = pin!(node.acquire(asks_each));
            if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(acquiring.as_mut().poll(cx))).await
            {
                self.acquired(lease, Duration::ZERO);
                return match self.freshness.asks_each(&self.request, lease) {
                    None => done,
                    Some(_) => self.prove(lease, done?).await,
                };
            }
            // It is being pinged, or somebody was quicker.
            let waited = Instant::now();
            self.timing.start(waited);
            let limit = self.request.shared.config.replica_acquire_timeout;
            let soon = tokio::time::timeout(limit, node.link.while_open(acquiring)).await;
            self.timing.spend(Phase::Permit, waited);
            if let Ok(done) = soon {
                self.acquired(lease, waited.elapsed());
                return self.prove(lease, done?).await;
            }
        }
        match self.queue(lease, true).await? {
            Some(conn) => self.prove(lease, conn).await,
            None => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
        }
    }

    /// A permit on the leased node, or on the first that has one, for what takes its connection itself.
    pub(crate) async fn permit(&mut self, lease: &mut Lease) -> Result<(), DbErr> {
        self.sweep(lease);
        match lease.try_permit(&self.line(self.progress.reason, false)) {
            // Whoever has a permit finds a connection, or opens one; SeaORM does not tell which.
            true => self.acquired(lease, Duration::ZERO),
            false => drop(self.queue(lease, false).await?),
        }
        lease.node().weed(false).await;
        Ok(())
    }

    /// A connection of this node is had, or a permit for one, for which it waited so long.
    pub(super) fn acquired(&mut self, lease: &Lease, waited: Duration) {
        lease.metrics().acquired(waited);
        self.span.connected(waited);
    }

    /// Makes sure that the connection it gets is made in a runtime that lives.
    pub(crate) fn sweep(&self, lease: &Lease) {
        if self.request.shared.warn_if_orphaned() {
            lease.node().link.sweep();
        }
    }

    /// The write that this is.
    pub(crate) fn open_write(&self) -> Option<&OpenWrite> {
        self.guards.write.as_ref()
    }

    /// The write that this is, for the stream that it becomes: it is under way for as long as that one.
    #[cfg(feature = "stream")]
    pub(crate) fn take_write(&mut self) -> Option<OpenWrite> {
        self.guards.write.take()
    }

    /// Gives the write back, when the stream did not come to its first row.
    #[cfg(feature = "stream")]
    pub(crate) fn give_write(&mut self, write: Option<OpenWrite>) {
        self.guards.write = write;
    }
}

/// What kept a connection from being had in time, where it was where it led to.
pub(super) fn named(err: DbErr, refusals: Option<&watch::Receiver<Option<Stranger>>>) -> DbErr {
    let refusals = refusals.filter(|refusals| refusals.has_changed().unwrap_or(false));
    match (&err, refusals.and_then(|refusals| *refusals.borrow())) {
        (DbErr::ConnectionAcquire(ConnAcquireErr::Timeout), Some(stranger))
            if stranger != Stranger::ReceivesNothing =>
        {
            DbErrKind::Conn.of_sqlx(sqlx::Error::Configuration(Box::new(stranger)))
        }
        _ => err,
    }
}
