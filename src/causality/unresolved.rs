//! Unresolved writes, until it is known that they are over (rule C1).
//!
//! A server goes on with what it was given when its client is gone, for as long as a lock or a standby keeps it
//! waiting. A fixed time was rejected: what commits after it is missed by reads on the replicas, and until it is over a
//! process reads on the primary alone although its server gave up at once. So the process at the server that was given
//! the write is looked for, by whoever takes the unresolved writes from here, until it is gone.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::Abandoned;
use crate::vocabulary::NodeId;

/// The process of a server behind one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) pid: i32,
    /// In microseconds: numbers of processes come again.
    pub(crate) started: i64,
}

/// By what a write is known at its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Backend(Backend),
    /// A transaction of one statement in this process, which serves others before and after it.
    Transaction(Backend),
    /// The COMMIT of a transaction that began between these: its connection cannot be asked.
    Began(Instant, Instant),
    /// No mark: the write is not known there by anything.
    Nothing,
}

/// Where a write was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    pub(crate) node: NodeId,
    pub(crate) by: By,
}

/// An unresolved write.
#[derive(Debug)]
pub(crate) struct UnresolvedWrite {
    pub(crate) abandoned: Abandoned,
    pub(crate) trace: Trace,
    pub(crate) since: Instant,
    /// Held for its drop.
    _kept: Option<KeptCompanion>,
    /// Held for its drop.
    _counted: CountedOrphan,
}

/// What lives until an unresolved write is known to be over.
pub(crate) struct KeptCompanion(
    #[expect(dead_code, reason = "held for its drop")] Arc<dyn Send + Sync>,
);

impl std::fmt::Debug for KeptCompanion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// The unresolved writes of one handle that nobody has begun to look for.
#[derive(Debug, Default)]
pub(crate) struct UnresolvedWrites {
    waiting: Mutex<Vec<UnresolvedWrite>>,
    /// There are new ones.
    pub(crate) news: Notify,
    /// Somebody takes them.
    watched: AtomicBool,
    /// How many writes without a caller there are, those included that are taken.
    orphans: Arc<AtomicU64>,
}

impl UnresolvedWrites {
    fn add(&self, write: UnresolvedWrite) {
        let mut waiting = self.waiting();
        // Under the lock, so that whoever stops looking leaves none behind.
        if self.watched.load(Ordering::Acquire) {
            waiting.push(write);
            drop(waiting);
            self.news.notify_one();
        }
    }

    /// Whether a write of this handle is under way, or looked for, whose caller is gone.
    pub(crate) fn has_orphans(&self) -> bool {
        self.orphans.load(Ordering::Acquire) > 0
    }

    pub(crate) fn take(&self) -> Vec<UnresolvedWrite> {
        std::mem::take(&mut *self.waiting())
    }

    /// Somebody looks for them until this is dropped.
    pub(crate) fn watch(self: &Arc<Self>) -> Watch {
        self.watched.store(true, Ordering::Release);
        Watch(Arc::clone(self))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<UnresolvedWrite>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`UnresolvedWrites::watch`].
pub(crate) struct Watch(Arc<UnresolvedWrites>);

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        self.0.watched.store(false, Ordering::Release);
        waiting.clear();
    }
}

/// A write without a caller. Dropped before it is known to be over, it is unresolved.
#[derive(Debug)]
pub(crate) struct Orphan {
    unresolved: Arc<UnresolvedWrites>,
    write: Option<(Abandoned, Option<Trace>)>,
    kept: Option<KeptCompanion>,
    counted: Option<CountedOrphan>,
}

/// One write without a caller, until this is dropped.
#[derive(Debug)]
struct CountedOrphan(Arc<AtomicU64>);

impl CountedOrphan {
    fn of(orphans: &Arc<AtomicU64>) -> Self {
        orphans.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(orphans))
    }
}

impl Drop for CountedOrphan {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Orphan {
    pub(crate) fn new(
        unresolved: &Arc<UnresolvedWrites>,
        abandoned: Abandoned,
        trace: Option<Trace>,
    ) -> Self {
        Self {
            unresolved: Arc::clone(unresolved),
            write: Some((abandoned, trace)),
            kept: None,
            counted: Some(CountedOrphan::of(&unresolved.orphans)),
        }
    }

    /// Keeps this until it is known to be over.
    pub(crate) fn keep(&mut self, kept: Arc<dyn Send + Sync>) {
        self.kept = Some(KeptCompanion(kept));
    }

    /// The write's server has answered.
    pub(crate) fn mark_returned(mut self) {
        if let Some((abandoned, _)) = self.write.take() {
            abandoned.end();
        }
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let Some((abandoned, trace)) = self.write.take() else {
            return;
        };
        abandoned.mark_unresolved();
        // Without a trace it counts as running for a while.
        if let (Some(trace), Some(counted)) = (trace, self.counted.take()) {
            self.unresolved.add(UnresolvedWrite {
                abandoned,
                trace,
                since: Instant::now(),
                _kept: self.kept.take(),
                _counted: counted,
            });
        }
    }
}
