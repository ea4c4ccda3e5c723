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
    fresh: AtomicU64,
    /// In bytes plus 1.
    behind: AtomicU64,
}

impl ReplicaLag {
    /// The monitor has found it.
    pub(crate) fn set(&self, fresh: Option<Duration>, behind: Option<u64>) {
        let millis = fresh.map_or(0, |fresh| fresh.as_millis().max(1));
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.fresh.store(millis, Ordering::Relaxed);
        let behind = behind.map_or(0, |bytes| bytes.saturating_add(1));
        self.behind.store(behind, Ordering::Relaxed);
    }

    /// Since when it has everything that the primary had written by then, after the cluster's start.
    pub(crate) fn fresh(&self) -> Option<Duration> {
        let fresh = self.fresh.load(Ordering::Relaxed);
        (fresh != 0).then(|| Duration::from_millis(fresh))
    }

    /// How many bytes of the primary's log the node lacked when it was asked last.
    pub(crate) fn behind(&self) -> Option<u64> {
        self.behind.load(Ordering::Relaxed).checked_sub(1)
    }
}
