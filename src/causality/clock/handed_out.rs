//! What the handles of a clock, and of the other clocks of its cluster, have handed out (rule C7).

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::Clock;
use crate::causality::unseen::{HandsOut, One, Settled, Those};

impl Clock {
    /// A handle hands connections out from now on; nobody has one yet. `settled`: once it is gone, it counts as in use
    /// until this says that the clocks have ticked.
    pub(crate) fn hands_out(&self, who: Weak<dyn HandsOut>, settled: Arc<Settled>) {
        let new = vec![One { who, settled }];
        self.add_handed_out(&new);
        self.each_peer(|peer| peer.add_handed_out(&new));
    }

    fn add_handed_out(&self, new: &Those) {
        // A pool that was taken in one place is used in any task.
        self.tasks.folded().mark_concrete();
        self.handed_out.add(new);
    }

    /// Another clock of the cluster: what its handles have handed out matters here as well.
    pub(super) fn learn_of(&self, peer: &Self) {
        if peer.has_handed_out() {
            self.add_handed_out(&peer.handed_out.all());
        }
    }

    /// Whether anybody has. Nearly nobody does, and then this one load is all.
    #[inline]
    pub(crate) fn has_handed_out(&self) -> bool {
        self.handed_out.any()
    }

    /// Whether something is being done there that a replica may lack.
    pub(crate) fn is_in_use(&self, splits: bool) -> bool {
        self.handed_out.is_in_use(splits)
    }

    /// A connection of `concrete()` came back: whatever was done with it returned with this. `pin`: how long reads follow it
    /// where there is only time.
    pub(crate) fn note_concrete_returned(&self, pin: Duration) {
        let now = Instant::now();
        self.writes.note_concrete_returned(now, pin);
        self.each_peer(|peer| peer.writes.note_concrete_returned(now, pin));
    }
}
