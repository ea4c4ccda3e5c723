//! What has to be told of connections that were handed out, also when the handle is gone that handed them out (rule C7).
//!
//! sqlx returns a connection in a task of its own, so the last handle may be dropped before what was written has come
//! back. Who tells of it holds the clock therefore, and not the handle: that would keep a cluster alive for as long as
//! somebody has a clone of its pool.

use std::{sync::Arc, time::Duration};

use crate::{
    causality::{
        Clock, Current,
        unresolved::{By, Orphan, Trace, UnresolvedWrites},
    },
    positions::tracker::Tracker,
    vocabulary::NodeId,
};

/// The connections that were handed out, as far as the clock has to be told of them.
pub(super) struct Sight {
    clock: Arc<Clock>,
    unresolved: Arc<UnresolvedWrites>,
    pin: Duration,
}

impl Sight {
    pub(super) fn of(tracker: &Tracker) -> Self {
        Self {
            clock: Arc::clone(&tracker.clock),
            unresolved: Arc::clone(&tracker.unresolved),
            pin: tracker.pin.length,
        }
    }

    /// A connection came back, whatever was done with it.
    pub(super) fn returned(&self) {
        Current::Process.wrote(&self.clock, self.pin);
        self.clock.note_concrete_returned(self.pin);
    }

    /// A connection to this node broke or was closed: its server may be at what was sent on it still.
    pub(super) fn unresolved(&self, node: NodeId, by: By) {
        let trace = Trace { node, by };
        let abandoned = self.clock.follow_concrete(self.pin);
        drop(Orphan::new(&self.unresolved, abandoned, Some(trace)));
    }
}
