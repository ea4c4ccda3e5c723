//! Reads that must not be undone by a later one (rule C9, `monotonic`).
//!
//! A read on a replica has seen at most what that server had replayed when it returned. How far that was tells only a
//! position that was sampled later in the same life of the server: one sampled before, or after a crash, may lie below.
//! The life is that of the connection which samples: it was open before the read and answered after it, so the server
//! did not begin anew in between. Until there is such a sample, the session stays on that server or uses the primary;
//! and it stays only while no connection was opened there since, because that one may belong to a new life.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Clock, Replayed, Session};
use crate::mutants;

/// A read on a replica.
#[derive(Clone, Debug)]
pub(crate) struct ObservedRead {
    replayed: Arc<Replayed>,
    life: u64,
    opened: u64,
    returned: Instant,
}

/// Where a session may read, whose earlier reads no position covers yet.
#[derive(Clone, Debug)]
pub(crate) enum ReadAffinity {
    /// Wherever its position allows.
    No,
    /// There, if its position allows; else on the primary.
    To(Arc<Replayed>),
    /// Only on the primary.
    Primary,
}

impl ReadAffinity {
    /// An affinity that meets both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, bound) | (bound, Self::No) => bound,
            (Self::To(one), Self::To(other)) if Arc::ptr_eq(&one, &other) => Self::To(one),
            _ => Self::Primary,
        }
    }
}

impl ObservedRead {
    /// A read that is about to be sent there.
    pub(crate) fn begin(replayed: &Arc<Replayed>) -> Self {
        Self {
            life: replayed.life(),
            opened: replayed.openings(),
            replayed: Arc::clone(replayed),
            returned: Instant::now(),
        }
    }

    /// Whether this is the same read.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.replayed, &other.replayed) && self.returned == other.returned
    }

    /// Whether the server that served it is the one that would serve the next.
    fn is_here(&self) -> bool {
        self.opened == self.replayed.openings()
            && self.life == self.replayed.life()
            && !self.replayed.is_mixed()
    }
}

impl Session {
    /// A read of it returned.
    pub(crate) fn saw(&self, mut seen: ObservedRead) {
        seen.returned = Instant::now();
        let mut rest = self.rest();
        let same = |one: &ObservedRead| {
            Arc::ptr_eq(&one.replayed, &seen.replayed) && one.life == seen.life
        };
        // The later of two reads in one life has seen as much as both.
        rest.seen.retain(|one| !same(one));
        rest.seen.push(seen);
        self.note_rest(&rest);
    }

    /// A later read, which a tick stands for, has seen as much as those that had returned by then.
    pub(super) fn forget_seen(&self, returned: Instant, tick: u64) {
        let mut rest = self.rest();
        // Under one lock: whoever finds a read forgotten finds what stands for it.
        rest.seen_tick = rest.seen_tick.max(tick);
        rest.seen.retain(|one| one.returned >= returned);
        self.note_rest(&rest);
    }

    /// The tick that stands for what was forgotten.
    pub(super) fn seen_tick(&self) -> u64 {
        self.rest().seen_tick
    }

    /// Takes in the positions that were told since, and says what is left.
    pub(crate) fn bound(&self, clock: &Clock) -> ReadAffinity {
        let seen = self.rest().seen.clone();
        let mut told = Vec::new();
        for one in seen {
            let returned = match mutants::lives("monotonic_before_read") {
                true => one.returned - Duration::from_secs(1),
                false => one.returned,
            };
            if let Some((epoch, lsn)) = one.replayed.witnessed(one.life, returned) {
                // Before it is taken out: nobody finds it in neither place.
                self.raise(clock, epoch, lsn);
                told.push(one);
            }
        }
        let mut rest = self.rest();
        rest.seen
            .retain(|one| !told.iter().any(|done| done.is(one)));
        self.note_rest(&rest);
        match &rest.seen[..] {
            [] => ReadAffinity::No,
            [one] if one.is_here() => ReadAffinity::To(Arc::clone(&one.replayed)),
            _ => ReadAffinity::Primary,
        }
    }
}
