//! Writes that have not returned although their caller is gone: until they have, a session reads on the primary (C1).

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::pin::Pin;

/// How long a write whose connection was lost counts as running: its server may be at it still (rule C1).
pub(crate) const UNKNOWN_HOLD: Duration = Duration::from_secs(30);

/// What keeps one session on the primary.
#[derive(Debug, Default)]
pub(super) struct Hold {
    /// Writes whose future was dropped, and of whose server nothing was heard since.
    abandoned: AtomicU64,
    /// Until when a lost write may still be executed.
    unknown: Pin,
    is_unknown: AtomicBool,
}

/// How a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    No,
    Yes,
    /// It has just ended by itself: what was lost may have been written up to now, so its end is a tick.
    Ended,
}

impl Hold {
    #[inline]
    pub(super) fn state(&self) -> Held {
        if self.abandoned.load(Ordering::Acquire) != 0 {
            return Held::Yes;
        }
        if !self.is_unknown.load(Ordering::Acquire) {
            return Held::No;
        }
        if !self.unknown.holds(Instant::now) && self.is_unknown.swap(false, Ordering::AcqRel) {
            return Held::Ended;
        }
        Held::Yes
    }

    /// Whether something is held, without ending anything.
    pub(super) fn is_active(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) != 0 || self.is_unknown.load(Ordering::Acquire)
    }

    pub(super) fn abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Acquire)
    }

    pub(super) fn lost(&self) {
        self.unknown.extend(Instant::now(), UNKNOWN_HOLD);
        self.is_unknown.store(true, Ordering::Release);
    }

    pub(super) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn returned(&self) {
        self.abandoned.fetch_sub(1, Ordering::AcqRel);
    }
}
