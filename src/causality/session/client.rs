//! Sessions of clients, which the middleware gives to their requests.

use std::sync::{Arc, atomic::Ordering};

use super::{Current, Session};

impl Session {
    /// The session of a client that brings nothing: its reads see what the others of the process see as well.
    pub(crate) fn of_client(outer: Current) -> Self {
        Self {
            outer: Some(outer),
            ..Self::default()
        }
    }

    /// The session of a client that sees what was written up to this tick. `handed_out`: something is, and may be used
    /// out of our sight.
    pub(in crate::causality) fn beside(tick: u64, handed_out: bool) -> Self {
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
            outer: handed_out.then(unseen),
            base: tick,
            tick: tick.into(),
            ..Self::default()
        }
    }

    /// The number of the last write that belongs to no other session.
    pub(in crate::causality) fn own_tick(&self) -> u64 {
        self.tick.load(Ordering::Acquire)
    }
}
