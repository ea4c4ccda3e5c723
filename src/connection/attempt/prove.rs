//! A connection that may be new proves itself before it is used (rule C4).
//!
//! Opening one takes more than one poll, so a connection that was there at the first is an old one: it had its proof
//! when it was opened, and since then its server has been in one life. So it is with one that has run prepared
//! statements, since a new one has run none; where the caller's own closures may have run some on it, that tells
//! nothing. Without this, tasks that take turns on a full pool would each pay two round trips for every statement. Any
//! other is asked how far its server has replayed, in its first round trip. sqlx's own hook for new connections was rejected: it has one slot, and that is the
//! caller's.

use std::{sync::Arc, time::Instant};

use sea_orm::{ConnAcquireErr, DbErr};

use super::Attempt;
use crate::{
    mutants,
    node::{Lease, Leased},
    route::Forced,
    session::{Bound, Need, Replay, Replayed},
    words::Role,
};

/// A connection on its way to its proof; dropped on the way, it is thrown away, so that nobody finds it in the pool.
struct Unproven(Option<Leased>);

impl Drop for Unproven {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            conn.cut();
        }
    }
}

/// A transaction that begins, on a connection that may be new and cannot be asked itself. When this is dropped, what
/// was known of the node before counts no more, unless the node was asked since. Drop it before the connection can be
/// found in the pool; one that could not begin goes back there by way of a round trip.
pub(in crate::connection) struct Unasked {
    replayed: Option<Arc<Replayed>>,
    opened: Option<Instant>,
}

impl Unasked {
    /// It has begun, so its connection was open by now.
    pub(in crate::connection) fn has_begun(&mut self) {
        self.opened = Some(Instant::now());
    }
}

impl Drop for Unasked {
    fn drop(&mut self) {
        if let Some(replayed) = &self.replayed {
            replayed.forget_unless_asked_since(self.opened.unwrap_or_else(Instant::now));
        }
    }
}

impl Attempt<'_> {
    /// Lets a connection that may be new say how far its server has come.
    pub(super) async fn prove(&mut self, lease: &Lease, conn: Leased) -> Result<Leased, DbErr> {
        let node = lease.node();
        let unasked = mutants::lives("position_kept_over_crash");
        if lease.role() != Role::Replica || !self.shared.gives_position(node) || unasked {
            return Ok(conn);
        }
        if self.shared.config.connect_options.is_none() && conn.has_run() {
            return Ok(conn);
        }
        node.replayed.opened();
        let mut unproven = Unproven(Some(conn));
        let limit = self.deadline().into();
        let asked = lease.guard(tokio::time::timeout_at(limit, ask(&mut unproven)));
        let answer = match asked.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
            Err(cut) => Err(cut.into_db(crate::error::Kind::Conn)),
        };
        if let Some(replay) = answer? {
            self.shared.learn_replay(node, replay);
        }
        unproven
            .0
            .take()
            .ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// For a transaction that is about to begin there.
    pub(in crate::connection) fn unasked(&self, lease: &Lease) -> Unasked {
        let node = lease.node();
        let gives = lease.role() == Role::Replica && self.shared.gives_position(node);
        Unasked {
            replayed: gives.then(|| Arc::clone(&node.replayed)),
            opened: None,
        }
    }

    /// The same for a transaction that has begun, and whether it is as far as it has to be. Its connection cannot be
    /// asked: at REPEATABLE READ the question would take the snapshot, before the answer. So the node is asked on
    /// another one, after this one was open: a server that began a new life in between has ended this one with it.
    pub(in crate::connection) async fn prove_begun(&mut self, lease: &Lease) -> bool {
        let (node, shared) = (lease.node(), self.shared);
        let bound = lease.role() == Role::Replica && self.scope.force != Forced::Replica;
        let free = self.need == Need::Nothing && matches!(self.bound, Bound::No);
        if !bound || free || !shared.gives_position(node) {
            return true;
        }
        let opened = Instant::now();
        let mut news = node.replayed.news();
        shared.demand.ask();
        let asked = news.wait_for(|told| told.is_some_and(|told| told.begun > opened));
        let asked = tokio::time::timeout_at(self.deadline().into(), asked).await;
        // Without an answer it is not known to be fresh.
        let answered = matches!(asked, Ok(Ok(_)));
        if !answered {
            self.need = Need::Primary;
        }
        !self.is_stale(lease)
    }
}

async fn ask(unproven: &mut Unproven) -> Result<Option<Replay>, DbErr> {
    match &mut unproven.0 {
        #[cfg(feature = "postgres")]
        Some(Leased::Postgres(conn)) => {
            let replay = crate::backend::positions::prove(conn).await?;
            Ok(Some(replay))
        }
        _ => Ok(None),
    }
}
