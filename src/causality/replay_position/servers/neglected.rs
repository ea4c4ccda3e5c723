//! A server behind the name that would do for reads and gets none, since all connections lead to others (rule C6): it has joined
//! the name, or is back, and a connection stays where it leads.

use std::time::{Duration, Instant};

use super::{
    LedTo, Lineage, ServerNeed, ServerPositions, ServerSample, age::HEARD_FOR, another::JUST_NOW,
};

/// To a server that no read was sent to for so long no connection leads, where reads run several at a time.
const UNUSED_FOR: Duration = Duration::from_secs(2);

/// Between two connections that are parted with where it is known that the other server would do, and where it may.
const PART_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

impl ServerPositions {
    /// A read goes to the server of this connection.
    pub(crate) fn note_read(&mut self, led_to: LedTo, now: Instant) {
        let is_it = |one: &&mut ServerSample| led_to.server == one.server;
        if let Some(known) = self.0.iter_mut().find(is_it) {
            known.read_at = Some(now);
        }
    }

    /// Where another server than this connection's may do for reads with these needs, and gets none: how long after one connection
    /// the next may be parted with for that. What one said a while ago tells nothing of what it has now: it is looked for more
    /// seldom, and not for long, since it may have left.
    pub(crate) fn neglected(
        &self,
        led_to: LedTo,
        need: ServerNeed,
        now: Instant,
    ) -> Option<Duration> {
        let since = |at: Instant| now.saturating_duration_since(at);
        // One that was started again is another server at the same address, and what it was is gone.
        let gets_none = |one: &&ServerSample| {
            one.server != led_to.server
                && one.lineage != Lineage::Other
                && one.read_at.is_none_or(|read| since(read) >= UNUSED_FOR)
                && self.is_last_at_its_address(one)
        };
        let pause = |one: &ServerSample| match since(one.begun) {
            ago if ago < JUST_NOW => one.does_for(need).then_some(PART_EVERY.0),
            ago => (ago < HEARD_FOR).then_some(PART_EVERY.1),
        };
        self.0.iter().filter(gets_none).filter_map(pause).min()
    }
}
