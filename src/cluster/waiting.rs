//! Statements that wait for a node, counted so that whoever sheds load knows how many there are.

use std::sync::{Arc, atomic::Ordering};

use sea_orm::{DbErr, sqlx};

use super::{inbox::StatementNews, shared::Shared};
use crate::{metrics::ClusterCounter, node::Node};

impl Shared {
    /// Counts one that waits for a node, until it is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.count(ClusterCounter::Wait);
        if self.admission.waiting.fetch_add(1, Ordering::AcqRel) == 0 {
            // Somebody has to look for a primary now, if there is none.
            self.tell(StatementNews::Waits);
        }
        Waiting(Arc::clone(self))
    }

    /// Wakes a cluster that sleeps, and waits as a write does until it has a primary; for what asks the snapshot once.
    pub(crate) async fn until_awake(self: &Arc<Self>) {
        let primary = || self.snapshot.primary_node();
        // Pools are closed a little before the snapshot shows that the cluster sleeps.
        let falls_asleep = primary().is_some_and(|primary| primary.link.is_closed());
        // A handle that was closed asleep wakes no more.
        if !(self.snapshot.is_asleep() || falls_asleep) || self.is_closed() {
            return;
        }
        let _waiting = self.wait();
        let mut changed = self.snapshot.subscribe();
        let is_there = || primary().is_some_and(|primary| !primary.link.is_closed());
        let awake = changed.wait_for(|_| is_there() || self.is_closed());
        // Without one, whoever asks says so.
        let _ = tokio::time::timeout(self.config.failover_timeout, awake).await;
    }

    /// Wakes a cluster that sleeps for whoever takes the primary's pool itself, and changes nothing through it.
    pub(crate) async fn ask_primary(self: &Arc<Self>) -> PrimaryQuestion<'_> {
        self.until_awake().await;
        PrimaryQuestion {
            shared: self,
            pool: self.snapshot.primary_node(),
            repeats: self.config.idle_after.is_some(),
        }
    }
}

/// A question to the primary past the loop of statements, which would find another pool by itself.
pub(crate) struct PrimaryQuestion<'a> {
    shared: &'a Arc<Shared>,
    pool: Option<Arc<Node>>,
    /// The question may be put once more.
    repeats: bool,
}

/// An error that tells whether its question was sent.
pub(crate) trait Unsent {
    /// Whether no connection was had for it.
    fn is_unsent(&self) -> bool;
}

impl Unsent for DbErr {
    fn is_unsent(&self) -> bool {
        matches!(self, Self::ConnectionAcquire(_))
    }
}

impl Unsent for sqlx::Error {
    fn is_unsent(&self) -> bool {
        matches!(self, Self::PoolClosed | Self::PoolTimedOut)
    }
}

impl PrimaryQuestion<'_> {
    /// After an error: waits until the cluster is awake where it fell asleep at that very moment, and closed the pool under
    /// the question. Whether that is so, and the question to be put again; once, and never where the application closed
    /// the handle, or where the question may have been sent.
    pub(crate) async fn wait_to_repeat<T, E: Unsent>(&mut self, answer: &Result<T, E>) -> bool {
        if !matches!(answer, Err(err) if err.is_unsent()) {
            return false;
        }
        let shared = self.shared;
        let fell_asleep = match &self.pool {
            Some(pool) => pool.link.is_closed(),
            None => shared.snapshot.is_asleep(),
        };
        if !std::mem::take(&mut self.repeats) || !fell_asleep || shared.is_closed() {
            return false;
        }
        shared.until_awake().await;
        true
    }
}

/// A statement that waits for a node; its drop makes room for another.
pub(crate) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.admission.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
