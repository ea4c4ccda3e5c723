//! One transition under way: the state, the time, the randomness, and what it has ordered so far.

use fastrand::Rng;

use super::{Effect, Moment, Outbox, State};

/// What one transition needs besides its event.
pub(super) struct Step<'s> {
    pub(super) state: &'s mut State,
    pub(super) now: Moment,
    pub(super) rng: &'s mut Rng,
    pub(super) out: Outbox,
}

impl Step<'_> {
    pub(super) fn finish(self) -> Vec<Effect> {
        let (effects, publishes) = self.out.close();
        if publishes {
            self.state.version += 1;
        }
        effects
    }
}
