//! The time pin: read-your-writes where no position can be had (rule C14).
//!
//! After a write, a failed or unknown write, or the commit of a transaction that was not declared read only, reads of
//! the same scope stay on the primary for `SEALANE_PIN`. The scope is everything this process writes to one cluster,
//! so two `connect` calls to the same primary share one pin. A position proves, a pin only waits: it is as right as it is
//! longer than any lag, so it counts only where the operator says that it is. Nothing that a server without positions
//! tells would do instead: its figures come from one connection, and another one of the same name may lead elsewhere.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Where all pins count from; one origin, so that handles of different ages can share a pin.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One cluster's pin, shared by every handle to it in this process.
#[derive(Debug, Default)]
pub(crate) struct Pin {
    /// Nanoseconds after [`ORIGIN`] until which reads stay on the primary; 0 before the first write.
    until: AtomicU64,
}

impl Pin {
    /// Keeps reads on the primary until `hold` after `now`. A pin never shrinks.
    pub(crate) fn extend(&self, now: Instant, hold: Duration) {
        if !hold.is_zero() {
            self.until
                .fetch_max(nanos(now) + saturate(hold), Ordering::AcqRel);
        }
    }

    /// Whether a read that arrives now has to stay on the primary. The clock is asked only after a write: a pin that is
    /// over is taken away, unless a write came in between.
    pub(crate) fn holds(&self, now: impl FnOnce() -> Instant) -> bool {
        let until = self.until.load(Ordering::Acquire);
        if until == 0 {
            return false;
        }
        let holds = nanos(now()) < until;
        if !holds {
            // Another write's pin, set meanwhile, stays; it does not concern this read.
            let _ = self
                .until
                .compare_exchange(until, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
        holds
    }

    /// Holds at least as long as this one.
    pub(crate) fn follow(&self, other: &Self) {
        self.until
            .fetch_max(other.until.load(Ordering::Acquire), Ordering::AcqRel);
    }

    /// How it stands now, to be compared or waited for later.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.until.load(Ordering::Acquire))
    }
}

/// How a pin stood at one moment. Greater means that something was written in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

impl Mark {
    /// How long after `now` this mark's pin is over.
    pub(crate) fn remaining(self, now: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(nanos(now)))
    }
}

/// How a session stood at one moment, where there is only time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stood {
    pub(crate) pin: Mark,
    /// How much the session had written. The pin alone does not tell: one that is over is taken away.
    pub(crate) written: u64,
}

pub(super) fn nanos(at: Instant) -> u64 {
    saturate(at.saturating_duration_since(*ORIGIN))
}

fn saturate(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2)
}
