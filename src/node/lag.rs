//! How far a replica is behind the primary, as the monitor found it last: two atomics that any thread may read.
//!
//! The worker is the only one that writes them. 0 says that something is not known, so that neither needs a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How far a replica is behind the primary, as the monitor found it last.
#[derive(Debug, Default)]
pub(crate) struct ReplicaLag {
    /// In milliseconds after the cluster's start.
    current_at: AtomicU64,
    /// In bytes plus 1.
    behind: AtomicU64,
}

impl ReplicaLag {
    /// The monitor has found it.
    pub(crate) fn set(&self, current_at: Option<Duration>, behind: Option<u64>) {
        let millis = current_at.map_or(0, |at| at.as_millis().max(1));
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.current_at.store(millis, Ordering::Relaxed);
        let behind = behind.map_or(0, |bytes| bytes.saturating_add(1));
        self.behind.store(behind, Ordering::Relaxed);
    }

    /// Since when it has everything that the primary had written by then, after the cluster's start.
    pub(crate) fn current_at(&self) -> Option<Duration> {
        let current_at = self.current_at.load(Ordering::Relaxed);
        (current_at != 0).then(|| Duration::from_millis(current_at))
    }

    /// How many bytes of the primary's log the node lacked when it was asked last.
    pub(crate) fn behind(&self) -> Option<u64> {
        self.behind.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// How far a server has to be so as not to be too far behind, in bytes plus 1; 0 where any will do.
#[derive(Debug, Default)]
pub(crate) struct LeastPosition(AtomicU64);

impl LeastPosition {
    /// The monitor has reckoned it.
    pub(crate) fn set(&self, position: Option<u64>) {
        let position = position.map_or(0, |position| position.saturating_add(1));
        self.0.store(position, Ordering::Relaxed);
    }

    /// The position; none where any will do.
    pub(crate) fn get(&self) -> Option<u64> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }
}
