//! A read that must not fall behind an earlier one of its session, nor a later one behind it (rule C9).

use std::sync::Arc;

use super::request::Request;
use crate::{
    causality::{Clock, Current, ObservedRead, ReadAffinity, ReadRequirement, Replayed},
    node::Lease,
    vocabulary::Role,
};

/// A read that must not fall behind an earlier one of its session.
pub(super) struct MonotonicRead {
    /// Where earlier reads let it go.
    affinity: ReadAffinity,
    /// Some read bound it when it arrived.
    was_bound: bool,
    /// The read under way, which later ones must not fall behind.
    seen: Option<ObservedRead>,
}

impl MonotonicRead {
    pub(super) fn at_arrival(current: &Current, clock: &Clock) -> Self {
        let affinity = current.bound(clock);
        Self {
            was_bound: !matches!(affinity, ReadAffinity::No),
            affinity,
            seen: None,
        }
    }

    /// Whether nothing binds it.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.affinity, ReadAffinity::No)
    }

    /// Whether only the primary has surely all that was seen.
    pub(super) fn takes_primary(&self) -> bool {
        matches!(self.affinity, ReadAffinity::Primary)
    }

    /// Whether the server with these positions has all that was seen.
    pub(super) fn allows(&self, replayed: &Arc<Replayed>) -> bool {
        match &self.affinity {
            ReadAffinity::No => true,
            ReadAffinity::To(only) => Arc::ptr_eq(only, replayed),
            ReadAffinity::Primary => false,
        }
    }

    /// Looks again at the reads that bound it when it arrived. One for which a position or a tick stands by now binds no more,
    /// and that is needed from then on: whoever takes over the one takes over the other, or a read is held by neither.
    /// Reads that returned after its arrival do not concern it, so what binds nothing is never bound.
    pub(super) fn unbind(&mut self, request: &Request<'_>) -> Option<ReadRequirement> {
        let (clock, current) = (&request.shared.clock, &request.current);
        if !self.was_bound {
            return None;
        }
        if !self.is_free() {
            self.affinity = current.bound(clock);
        }
        // Anew each time: what takes the primary now is covered by a position in a moment.
        Some(current.seen_need(clock))
    }

    /// The statement is about to be sent.
    pub(super) fn begin(&mut self, lease: &Lease) {
        let replica = lease.role() == Role::Replica;
        self.seen = replica.then(|| ObservedRead::begin(&lease.node().replayed));
    }

    /// The read returned: later reads of its session see as much.
    pub(super) fn end(&mut self, request: &Request<'_>) {
        request.current.saw(&request.shared.clock, self.seen.take());
    }
}
