//! What was written on connections of `concrete()` (rule C7). By whom, nobody can tell: each session that may have done it
//! needs all of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    pending_writes::{Held, PendingWrite, PendingWrites, WriteReturn},
    pin::{Mark, Pin},
    write_count::WriteCount,
};

/// What was written there, as far as it returned, and what is unresolved.
#[derive(Debug, Default)]
pub(super) struct ConcreteWrites {
    /// The tick when a connection last came back, or was out while somebody read, or what is unresolved on one was
    /// over.
    tick: AtomicU64,
    /// The time pin of the same.
    pub(super) pin: Pin,
    /// What the server may be at still although its connection is gone. The process has it among its own as well.
    unresolved: PendingWrites,
}

impl ConcreteWrites {
    /// What has this number may have been written there.
    pub(super) fn raise(&self, tick: u64) {
        self.tick.fetch_max(tick, Ordering::AcqRel);
    }

    /// Something that was done there returned.
    pub(super) fn take_in(&self, returned: WriteReturn) {
        self.raise(returned.tick);
        self.pin.extend(returned.at, returned.pin);
    }

    /// The tick when something of it last counted as returned.
    #[inline]
    pub(super) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Acquire)
    }

    /// A connection is gone on which this is perhaps still under way.
    pub(super) fn add_unresolved(&self, count: &WriteCount, open: Arc<PendingWrite>) {
        self.take_returned(count);
        self.unresolved.add(open);
    }

    /// Takes in what has returned of what was unresolved, and says how the rest stands.
    #[inline]
    pub(super) fn take_returned(&self, count: &WriteCount) -> Held {
        self.unresolved
            .take_returned(count, |returned| self.take_in(returned))
    }

    /// What is unresolved, for a session that has to see it.
    pub(super) fn unresolved(&self) -> &PendingWrites {
        &self.unresolved
    }

    /// Takes over what another clock of the cluster knows.
    pub(super) fn follow(&self, other: &Self) {
        self.unresolved.follow(&other.unresolved);
        self.pin.follow(&other.pin);
    }

    /// Whether something returned a moment ago, where there is only time.
    pub(super) fn is_pinned(&self) -> bool {
        self.pin.holds(Instant::now)
    }

    pub(super) fn mark(&self) -> Mark {
        self.pin.mark()
    }
}
