//! What the reads of a transaction obey, and how far they have come (rules R6, C9).

use std::sync::{Arc, atomic::AtomicBool};

use crate::{
    causality::{Current, ObservedRead, Stood},
    cluster::shared::Shared,
    dispatch::Reads,
    intent::Classifier,
    node::{Lease, local::LocalSettings},
    vocabulary::{Consistency, Role},
};

/// What the reads of a transaction obey, and how far they have come.
pub(super) struct ReadState {
    /// Whose it is, and what its reads may miss.
    pub(super) current: Current,
    pub(super) level: Consistency,
    /// How its session stood before it was decided where it begins.
    pub(super) stood: Stood,
    /// Settings that are set in it.
    local: Option<Arc<LocalSettings>>,
    /// The read that it is, where later ones must not fall behind it. Its connection was open by now, so that what it
    /// reads later it reads in this incarnation of its server.
    seen: Option<ObservedRead>,
    /// A read has returned, so that a snapshot that serves to the end exists. Only then: a savepoint or a `SET` takes
    /// none, and one that waited in vain or runs beside this one must wait as well.
    pub(super) begun: AtomicBool,
}

impl ReadState {
    /// For a transaction that has begun on this node.
    pub(super) fn begin(reads: Reads, lease: &Lease) -> Self {
        let Reads {
            current,
            level,
            stood,
            local,
        } = reads;
        let counts = level == Consistency::Monotonic && lease.role() == Role::Replica;
        Self {
            current,
            level,
            stood,
            local,
            seen: counts.then(|| ObservedRead::begin(&lease.node().replayed)),
            begun: AtomicBool::new(false),
        }
    }

    /// The judge of its texts.
    pub(super) fn classifier<'a>(&'a self, shared: &'a Shared) -> &'a Classifier {
        match &self.local {
            None => &shared.judging.classifier,
            Some(local) => local.classifier(),
        }
    }

    /// The transaction's reads so far are not to be undone by later ones (rule C9).
    pub(super) fn saw(&self, shared: &Shared) {
        if self.level == Consistency::Monotonic {
            self.current.saw(&shared.clock, self.seen.clone());
        }
    }
}
