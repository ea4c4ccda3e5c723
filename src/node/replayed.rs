//! How far a replica is known to have replayed (rule C4).
//!
//! A position proves something for one life of one server only: after a crash a standby came back 10 MB behind what it
//! had served, under the same start time. So the sample that was begun last wins, whatever it says: what is known
//! falls when a later one is lower, and an earlier one that comes in late is dropped. Every connection that may be new
//! brings such a sample before it is used.
//!
//! Readers compare two atomics; samples are seldom and take a lock.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;

use crate::clock::Need;

/// What a server said of its position, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Before the question was sent.
    pub(crate) begun: Instant,
    /// Nothing where the server is not in recovery.
    pub(crate) lsn: Option<u64>,
    /// Nothing where it streams from nobody, and where the role may not see it.
    pub(crate) timeline: Option<u32>,
    pub(crate) cluster: u64,
}

/// The same in the words of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Before the question was sent.
    pub(crate) begun: Instant,
    /// The ordinal of its epoch in the cluster's clock; nothing when it cannot be told, and then it proves nothing.
    pub(crate) epoch: Option<u64>,
    /// Nothing where the server is in no recovery, or has replayed nothing.
    pub(crate) lsn: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// 0 while nothing is known.
    epoch: AtomicU64,
    lsn: AtomicU64,
    /// How many are at work that may open connections and give them back without asking.
    opaque: AtomicU64,
    /// When the sample that counts was begun; who waits for a later one hears of it here.
    counted: watch::Sender<Option<Instant>>,
    /// One writer at a time.
    writing: Mutex<()>,
}

impl Default for Replayed {
    fn default() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            lsn: AtomicU64::new(0),
            opaque: AtomicU64::new(0),
            counted: watch::Sender::new(None),
            writing: Mutex::new(()),
        }
    }
}

impl Replayed {
    /// Whether a read with this need may run here.
    #[inline]
    pub(crate) fn covers(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Primary => false,
            Need::Position { epoch, lsn } => {
                // The epoch again behind the position: a writer changes it before and the position after.
                self.epoch.load(Ordering::Acquire) == epoch
                    && self.opaque.load(Ordering::Acquire) == 0
                    && self.lsn.load(Ordering::Acquire) >= lsn
                    && self.epoch.load(Ordering::Acquire) == epoch
            }
        }
    }

    /// Takes a sample in, unless one that was begun later counts already.
    pub(crate) fn learn(&self, sample: &Sample) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .counted
            .borrow()
            .is_some_and(|last| sample.begun <= last)
        {
            return;
        }
        let (epoch, lsn) = match (sample.epoch, sample.lsn) {
            (Some(epoch), Some(lsn)) => (epoch, lsn),
            _ => (0, 0),
        };
        self.set(epoch, lsn);
        self.counted.send_replace(Some(sample.begun));
    }

    /// Forgets what is known unless the server was asked after this moment: a connection was opened then that was not
    /// asked itself, and may belong to a new life.
    pub(crate) fn forget_unless_asked_since(&self, opened: Instant) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.counted.borrow().is_none_or(|last| last <= opened) {
            self.set(0, 0);
            self.counted.send_replace(Some(opened));
        }
    }

    /// Nothing is known until this is dropped, and nothing of before it afterwards: in between, connections may be
    /// opened and given back that were not asked.
    pub(crate) fn opaque(&self) -> Opaque<'_> {
        self.opaque.fetch_add(1, Ordering::AcqRel);
        Opaque(self)
    }

    fn set(&self, epoch: u64, lsn: u64) {
        if self.epoch.load(Ordering::Acquire) != epoch {
            self.lsn.store(0, Ordering::Release);
            self.epoch.store(epoch, Ordering::Release);
        }
        self.lsn.store(lsn, Ordering::Release);
    }

    /// Hears of every sample that counts.
    pub(crate) fn news(&self) -> watch::Receiver<Option<Instant>> {
        self.counted.subscribe()
    }
}

/// See [`Replayed::opaque`].
pub(crate) struct Opaque<'a>(&'a Replayed);

impl Drop for Opaque<'_> {
    fn drop(&mut self) {
        self.0.forget_unless_asked_since(Instant::now());
        self.0.opaque.fetch_sub(1, Ordering::AcqRel);
    }
}
