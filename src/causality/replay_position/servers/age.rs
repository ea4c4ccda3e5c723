//! How old the rows of each of several servers may be that answer under one name (rule T11).
//!
//! A server is near enough that has replayed what the primary had so long ago. That is a position, reckoned anew with each
//! check of the primary; what a server has beyond it stays true in its incarnation.

use std::time::{Duration, Instant};

use super::{LedTo, Lineage, Promise, ServerPositions, ServerSample};
use crate::causality::ReadRequirement;

/// For so long a server is what it said last: too far behind, or one that tells no position.
const FAR_FOR: Duration = Duration::from_millis(500);

/// For so long a server that was heard of is taken to be there.
pub(super) const HEARD_FOR: Duration = Duration::from_secs(30);

/// What a read needs of the server to which its connection leads, where that may be one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerNeed {
    /// What its session saw.
    pub(crate) position: ReadRequirement,
    /// The position that must not be missing, by `SEALANE_MAX_LAG`.
    pub(crate) least: Option<u64>,
}

impl ServerNeed {
    /// Whether only the age of the rows matters.
    pub(crate) fn is_of_age(self) -> bool {
        self.position == ReadRequirement::Nothing
    }
}

impl ServerPositions {
    /// What a connection promises a read with these needs.
    pub(crate) fn suits(&self, led_to: Option<LedTo>, need: ServerNeed, now: Instant) -> Promise {
        let near = need.least.map_or(Promise::Covers, |least| {
            led_to.map_or(Promise::Unknown, |led_to| self.nearness(led_to, least, now))
        });
        match need.position {
            ReadRequirement::Nothing => near,
            position => near.min(self.promise(led_to, position)),
        }
    }

    /// How far the server has replayed that is furthest, of those that were heard lately and have no other history.
    pub(crate) fn furthest(&self, now: Instant) -> Option<u64> {
        let counts = |one: &&ServerSample| {
            let heard = now.saturating_duration_since(one.begun) < HEARD_FOR;
            heard && one.lineage != Lineage::Other
        };
        let counted = self.0.iter().filter(counts);
        counted.filter_map(|one| one.word.lsn).max()
    }

    /// Whether the connection's server is known to be as far as this. What it lacked a while ago it may have now. One that tells
    /// no position is held against none.
    fn nearness(&self, led_to: LedTo, least: u64, now: Instant) -> Promise {
        let mut known = self.0.iter().filter(|one| one.server == led_to.server);
        let Some(known) = known.next() else {
            return Promise::Unknown;
        };
        let is_new = now.saturating_duration_since(known.begun) < FAR_FOR;
        match known.word.lsn {
            _ if known.begun < led_to.asked => Promise::Unknown,
            Some(lsn) if lsn >= least => Promise::Covers,
            None if is_new => Promise::Covers,
            Some(_) if is_new => Promise::Behind,
            _ => Promise::Unknown,
        }
    }
}
