//! A position and the epoch that it belongs to, as two atomics that are never read as of two moments (a sequence lock of
//! which the epoch is the number).
//!
//! The epoch is stored first and read twice, before the position and behind it. In between there is a position that
//! nobody has come to, so that one of the new epoch is never held against the old number.

use std::sync::atomic::{AtomicU64, Ordering};

/// A position that nobody has come to.
const NOBODY: u64 = u64::MAX;

/// A position in the epoch with this ordinal; the ordinal is 0 before the first.
#[derive(Debug, Default)]
pub(super) struct PositionCell {
    epoch: AtomicU64,
    lsn: AtomicU64,
}

impl PositionCell {
    /// A copy of it as it is now.
    pub(super) fn copy(&self) -> Self {
        let (epoch, lsn) = self.read();
        Self {
            epoch: AtomicU64::new(epoch),
            lsn: AtomicU64::new(lsn),
        }
    }

    /// The epoch and the position in it.
    pub(super) fn read(&self) -> (u64, u64) {
        loop {
            let epoch = self.epoch();
            if let Some(lsn) = self.lsn_of(epoch) {
                return (epoch, lsn);
            }
        }
    }

    /// The ordinal of the position's epoch; 0 while there is none.
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The position, if it is of this epoch still. Where an epoch has begun without one, that is one that nobody has come
    /// to.
    #[inline]
    pub(super) fn lsn_of(&self, epoch: u64) -> Option<u64> {
        let lsn = self.lsn.load(Ordering::Acquire);
        (self.epoch() == epoch).then_some(lsn)
    }

    /// The position, unless the epoch has begun without one.
    pub(super) fn lsn(&self) -> Option<u64> {
        Some(self.lsn.load(Ordering::Acquire)).filter(|lsn| *lsn != NOBODY)
    }

    /// At least this, in the epoch that it is in. Only one writes at a time.
    pub(super) fn raise(&self, lsn: u64) {
        self.lsn.fetch_max(lsn, Ordering::AcqRel);
    }

    /// This position in another epoch. Only one writes at a time.
    pub(super) fn begin(&self, epoch: u64, lsn: u64) {
        self.expect(epoch);
        self.lsn.store(lsn, Ordering::Release);
    }

    /// Another epoch, in which nobody has come anywhere yet. Only one writes at a time.
    pub(super) fn expect(&self, epoch: u64) {
        self.lsn.store(NOBODY, Ordering::Release);
        self.epoch.store(epoch, Ordering::Release);
    }
}
