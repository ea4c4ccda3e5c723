//! The gate that writes go through, so that a planned change of the primary can wait until none is under way (T13).
//!
//! A write is counted before it looks whether the gate is shut, and whoever shuts it counts afterwards: so either the
//! write sees the gate or the other one sees the write. Counters are sharded by thread, as everything that a statement
//! writes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use crate::metrics::{Sharded, shard};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    shut: AtomicBool,
    under_way: Sharded<AtomicU64>,
    opened: Notify,
}

impl Gate {
    /// Counts a write in, unless the gate is shut.
    #[inline]
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Writing> {
        let writing = Writing::new(self);
        (!self.shut.load(Ordering::SeqCst)).then_some(writing)
    }

    /// Lets nothing new through; false when it is shut already.
    pub(crate) fn shut(&self) -> bool {
        !self.shut.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
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
            if !self.shut.load(Ordering::SeqCst) {
                return;
            }
            opened.await;
        }
    }
}

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
