//! Whether the cluster's servers tell positions that prove something (rules C14, T18).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a cluster tells of positions; else only the time pin is left.
#[derive(Debug)]
pub(super) struct Telling {
    /// The primary says how far it has written.
    told: AtomicBool,
    /// The cluster's servers may tell positions: they are PostgreSQL's, and their pools are ours.
    may: bool,
    /// What the servers tell proved something when the picture was published last.
    proved: AtomicBool,
    /// The last write when positions were believed again; 0 while they always were.
    untold_until: AtomicU64,
    /// Somebody asks the primary for positions.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    is_looked_after: AtomicBool,
}

impl Telling {
    /// `may`: servers may tell positions. `proves`: they prove something, as far as is known.
    pub(super) fn new(may: bool, proves: bool) -> Self {
        Self {
            told: AtomicBool::new(may && proves),
            may,
            proved: AtomicBool::new(proves),
            untold_until: AtomicU64::new(0),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            is_looked_after: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    /// Positions count no more. Whether that is new.
    pub(super) fn end(&self) -> bool {
        self.told.swap(false, Ordering::AcqRel)
    }

    /// Positions count again. Whether that is new. `last`: the last write until now, told before anybody finds them: a
    /// bookmark that was given meanwhile stands for nothing.
    pub(super) fn begin(&self, last: impl FnOnce() -> u64) -> bool {
        if !self.may || self.is_told() {
            return false;
        }
        self.untold_until.store(last(), Ordering::Release);
        !self.told.swap(true, Ordering::AcqRel)
    }

    /// Notes whether what the servers tell proves something now; whether it does and did not before.
    pub(super) fn proves_again(&self, proves: bool) -> bool {
        !self.proved.swap(proves, Ordering::AcqRel) && proves
    }

    #[cfg(feature = "tower")]
    pub(super) fn untold_until(&self) -> u64 {
        self.untold_until.load(Ordering::Acquire)
    }

    /// Whether nobody asks the primary yet; somebody does from now on.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(super) fn is_to_be_looked_after(&self) -> bool {
        !self.is_looked_after.swap(true, Ordering::AcqRel)
    }
}
