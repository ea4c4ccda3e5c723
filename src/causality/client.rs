//! The session of a client's request beside what its process does.

use super::{Clock, Session};

impl Session {
    /// The session of a client that brings a bookmark. What the process did by itself, a migration at its start for
    /// one, counts for everybody; what other clients wrote does not.
    pub(crate) fn beside_process(clock: &Clock) -> Self {
        let tick = clock.process.own_tick().max(clock.writes.concrete.tick());
        Self::beside(tick, clock.has_handed_out())
    }
}
