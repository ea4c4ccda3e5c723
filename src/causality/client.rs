//! The session of a client's request, which the middleware gives it.

use std::sync::Arc;

use super::{Clock, Current, Session};

impl Session {
    /// The session of a client that brings nothing: its reads see what the others of the process see as well.
    pub(crate) fn of_client(outer: Current) -> Self {
        Self {
            outer: Some(outer),
            ..Self::default()
        }
    }

    /// The session of a client that brings a bookmark. What the process did by itself, a migration at its start for
    /// one, counts for everybody; what other clients wrote does not.
    pub(crate) fn beside_process(clock: &Clock) -> Self {
        let tick = clock.process.own_tick().max(clock.concrete_tick());
        // Of what is done out of our sight meanwhile nobody can tell whose it is: the request reads beside it. Taking it for
        // the request's own was rejected: beside a job queue's pool every response would wait for a position.
        let unseen = || {
            let unseen = Self {
                tick: tick.into(),
                ..Self::default()
            };
            unseen.mark_concrete();
            Current::Session(Arc::new(unseen))
        };
        Self {
            outer: clock.has_handed_out().then(unseen),
            base: tick,
            tick: tick.into(),
            ..Self::default()
        }
    }

    /// The number of the last write that belongs to no other session.
    fn own_tick(&self) -> u64 {
        self.tick.load(std::sync::atomic::Ordering::Acquire)
    }
}
