//! What a session has seen on replicas, until a position stands for it (rule C9).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Session;
use crate::{
    causality::{
        monotonic::{ObservedRead, ReadAffinity},
        write_clock::WriteClock,
    },
    mutants,
};

impl Session {
    /// A read of it returned.
    pub(crate) fn saw(&self, mut seen: ObservedRead) {
        seen.returned = Instant::now();
        let mut rest = self.rest();
        let same = |one: &ObservedRead| {
            Arc::ptr_eq(&one.replayed, &seen.replayed) && one.connection == seen.connection
        };
        // The later of two reads under one connection of the poller has seen as much as both.
        rest.seen.retain(|one| !same(one));
        rest.seen.push(seen);
        self.note_rest(&rest);
    }

    /// A later read, which a tick stands for, has seen as much as those that had returned by then.
    pub(in crate::causality) fn forget_seen(&self, returned: Instant, tick: u64) {
        let mut rest = self.rest();
        // Under one lock: whoever finds a read forgotten finds what stands for it.
        rest.seen_tick = rest.seen_tick.max(tick);
        rest.seen.retain(|one| one.returned >= returned);
        self.note_rest(&rest);
    }

    /// The tick that stands for what was forgotten.
    pub(in crate::causality) fn seen_tick(&self) -> u64 {
        self.rest().seen_tick
    }

    /// Takes in the positions that were told since, and says what is left.
    pub(crate) fn bound(&self, clock: &WriteClock) -> ReadAffinity {
        let seen = self.rest().seen.clone();
        let mut told = Vec::new();
        for one in seen {
            let returned = match mutants::lives("monotonic_before_read") {
                true => one.returned - Duration::from_secs(1),
                false => one.returned,
            };
            if let Some((epoch, lsn)) = one.replayed.covering(one.connection, returned) {
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
