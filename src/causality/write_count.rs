//! Counts the writes that have returned: each is a tick, and ticks are what captures cover.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::{captures::CaptureWishes, pin::nanos};
use crate::metrics::Histogram;

/// How many writes have returned, and of how many of them it is known where they lie.
#[derive(Debug, Default)]
pub(super) struct WriteCount {
    /// How many writes have returned.
    ticks: AtomicU64,
    /// The returned writes that the last capture covers; stored after its position.
    pub(super) covered: AtomicU64,
    /// How many had returned when the last question was put.
    pub(super) questioned: AtomicU64,
    /// When the oldest write returned that is not covered, in nanoseconds of [`pin::nanos`](nanos); 0 when there is none.
    pub(super) uncovered_since: AtomicU64,
    /// The time that writes waited for the capture that covers them: the oldest of each capture.
    pub(super) covering: Histogram,
    /// Who wants to know where they lie.
    pub(super) captures: CaptureWishes,
}

impl WriteCount {
    /// A write returned, or something else that may have written ended: its number.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        let tick = self.ticks.fetch_add(1, Ordering::SeqCst) + 1;
        if self.uncovered_since.load(Ordering::Relaxed) == 0 {
            let now = nanos(Instant::now());
            self.uncovered_since.store(now, Ordering::Relaxed);
        }
        self.captures.note_write();
        tick
    }

    /// How many writes have returned: what a capture that is sent from now on covers.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// A number that whatever question is put from now on covers, and none that was put before: that of the last write
    /// where no question was put since, else a new one.
    pub(super) fn tick_for_next_question(&self) -> u64 {
        let ticks = self.ticks.load(Ordering::SeqCst);
        // The question is noted before it is sent.
        match self.questioned.load(Ordering::SeqCst) < ticks {
            true => ticks,
            false => self.tick(),
        }
    }

    /// Whether some write is not covered yet.
    pub(crate) fn wants_capture(&self) -> bool {
        self.covered.load(Ordering::Acquire) < self.ticks.load(Ordering::SeqCst)
    }
}
