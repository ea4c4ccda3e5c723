//! A server behind the name that would do for reads and gets none, since all connections lead to others (rule C6): it has joined
//! the name, or is back, and a connection stays where it leads.

use std::time::{Duration, Instant};

use super::{LedTo, ServerNeed, ServerPositions, ServerSample, another::JUST_NOW};

/// To a server that no read was sent to for so long no connection leads, where reads run several at a time.
const UNUSED_FOR: Duration = Duration::from_secs(2);

impl ServerPositions {
    /// A read goes to the server of this connection.
    pub(crate) fn note_read(&mut self, led_to: LedTo, now: Instant) {
        let is_it = |one: &&mut ServerSample| led_to.server == one.server;
        if let Some(known) = self.0.iter_mut().find(is_it) {
            known.read_at = Some(now);
        }
    }

    /// Whether another server than this connection's would do for reads with these needs, answered a moment ago, and gets none.
    pub(crate) fn neglects_another(&self, led_to: LedTo, need: ServerNeed, now: Instant) -> bool {
        let since = |at: Instant| now.saturating_duration_since(at);
        let gets_none = |one: &&ServerSample| {
            one.server != led_to.server
                && since(one.begun) < JUST_NOW
                && one.read_at.is_none_or(|read| since(read) >= UNUSED_FOR)
                && one.does_for(need)
        };
        let mut neglected = self.0.iter().filter(gets_none);
        // One that was started again is another server at the same address, and what it was is gone.
        neglected.any(|one| self.is_last_at_its_address(one))
    }
}
