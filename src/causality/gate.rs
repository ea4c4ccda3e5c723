//! The gate that writes go through, so that a planned change of the primary can wait until none is under way (T13).
//!
//! A write is counted before it looks whether the gate is shut, and whoever shuts it counts afterwards: so either the
//! write sees the gate or the other one sees the write. Counters are sharded by thread, as everything that a statement
//! writes.
//!
//! It opens by itself in the end, whatever became of whoever shut it: a guard that is leaked, or dropped where nothing of
//! it can run, must not end the writes of a process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::pin::nanos;
use crate::metrics::{Sharded, shard};

/// How long the gate is shut at the most: far longer than a planned change of the primary takes.
pub(crate) const SHUT_AT_MOST: Duration = Duration::from_mins(10);

/// The gate that every write goes through, and that may be shut.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Until when it is shut, in nanoseconds of [`nanos`]; 0 while it is open.
    shut: AtomicU64,
    under_way: Sharded<AtomicU64>,
    opened: Notify,
}

impl Gate {
    /// Counts a write in, unless the gate is shut.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Writing> {
        let writing = Writing::new(self);
        self.is_open().then_some(writing)
    }

    /// Whether the gate is open, or has been shut for as long as it may.
    #[inline]
    fn is_open(&self) -> bool {
        self.shut.load(Ordering::SeqCst) == 0 || self.left().is_zero()
    }

    /// How much longer it may be shut.
    fn left(&self) -> Duration {
        let until = self.shut.load(Ordering::SeqCst);
        Duration::from_nanos(until.saturating_sub(nanos(Instant::now())))
    }

    /// Lets nothing new through for [`SHUT_AT_MOST`]; what opens it again, unless it is shut already.
    pub(crate) fn shut(&self) -> Option<Shut> {
        self.shut_for(SHUT_AT_MOST)
    }

    fn shut_for(&self, most: Duration) -> Option<Shut> {
        let until = nanos(Instant::now() + most).max(1);
        let before = self.shut.load(Ordering::SeqCst);
        let free = before == 0 || self.left().is_zero();
        let (new, old) = (Ordering::SeqCst, Ordering::SeqCst);
        let shut = || self.shut.compare_exchange(before, until, new, old);
        (free && shut().is_ok()).then_some(Shut(until))
    }

    /// Opens what was shut; not what somebody else has shut since.
    pub(crate) fn open(&self, shut: Shut) {
        let (new, old) = (Ordering::SeqCst, Ordering::SeqCst);
        // It was over, and is another's by now.
        let _ = self.shut.compare_exchange(shut.0, 0, new, old);
        self.opened.notify_waiters();
    }

    /// How many writes and transactions that may write are under way.
    pub(crate) fn under_way(&self) -> u64 {
        let counts = self.under_way.iter();
        counts.fold(0, |sum, count| {
            sum.wrapping_add(count.load(Ordering::SeqCst))
        })
    }

    /// Waits until it is open.
    pub(crate) async fn until_open(&self) {
        loop {
            let opened = self.opened.notified();
            // A `Notified` that exists before the flag is read hears what comes after it.
            if self.is_open() {
                return;
            }
            // Nobody may be left to say so.
            let _ = tokio::time::timeout(self.left(), opened).await;
        }
    }
}

/// One shutting of the gate, which opens no other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shut(u64);

/// A write that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct Writing(Arc<Gate>);

impl Writing {
    fn new(gate: &Arc<Gate>) -> Self {
        let count = gate.under_way.at(shard());
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(gate))
    }
}

impl Clone for Writing {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        // On whatever thread: only the sum is read, and it wraps to what is right.
        self.0.under_way.local().fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::Gate;

    #[tokio::test]
    async fn a_gate_that_nobody_opens_opens_by_itself() {
        let gate = Arc::new(Gate::default());
        let first = gate.shut_for(Duration::from_millis(50)).unwrap();
        assert!(gate.shut().is_none(), "one pause at a time");
        assert!(gate.enter().is_none());
        gate.until_open().await;
        assert!(gate.enter().is_some());
        let second = gate.shut().expect("the one before is over");
        gate.open(first);
        assert!(gate.enter().is_none(), "that one opens nothing any more");
        gate.open(second);
        assert!(gate.enter().is_some());
    }
}
