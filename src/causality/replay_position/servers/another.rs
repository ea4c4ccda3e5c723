//! Whether another server behind the name would do for a read than the one to which its connection leads (rule C6): the
//! connection is parted with for that, and a new one leads to whichever it happens to be.

use std::time::{Duration, Instant};

use super::{Lineage, ServerNeed, ServerPositions, ServerSample, age::HEARD_FOR};
use crate::causality::ReadRequirement;

/// A server that answered so short a time ago is there. Whoever looks for it by new connections hears of it that often, unless
/// only few of them lead there.
pub(super) const JUST_NOW: Duration = Duration::from_secs(2);

/// Between two connections that are parted with where another server that would do answered a moment ago, and else.
const PART_EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What is known of another server that would do, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Another {
    /// None would that was heard of lately.
    None,
    /// One would, and may be gone.
    Heard,
    /// One would that answered a moment ago.
    JustHeard,
}

impl Another {
    /// How long after one connection the next one may be parted with.
    pub(crate) const fn part_every(self) -> Duration {
        match self {
            Self::JustHeard => PART_EVERY.0,
            Self::Heard | Self::None => PART_EVERY.1,
        }
    }
}

impl ServerPositions {
    /// Whether one of the servers would do for a read with these needs. What one has told stays true of it, but not that it is
    /// there: looked for without an end, one that had left cost twenty logins a second at the one that was left.
    pub(crate) fn another(&self, need: ServerNeed, now: Instant) -> Another {
        let heard = self
            .0
            .iter()
            .filter(|one| one.does_for(need))
            .map(|one| one.begun)
            .max();
        match heard.map(|heard| now.saturating_duration_since(heard)) {
            Some(ago) if ago < JUST_NOW => Another::JustHeard,
            Some(ago) if ago < HEARD_FOR => Another::Heard,
            _ => Another::None,
        }
    }
}

impl ServerSample {
    /// Whether the server is known to meet these needs.
    pub(super) fn does_for(&self, need: ServerNeed) -> bool {
        self.has(need.position) && self.is_near(need.least)
    }

    fn has(&self, need: ReadRequirement) -> bool {
        match need {
            ReadRequirement::Nothing => true,
            ReadRequirement::Primary => false,
            ReadRequirement::Position { epoch, lsn } => {
                let proven = self.proven();
                proven.is_some_and(|(of, replayed)| of == epoch && replayed >= lsn)
            }
        }
    }

    /// One that tells no position is held against none.
    fn is_near(&self, least: Option<u64>) -> bool {
        let lacks = |least: u64| self.word.lsn.is_some_and(|lsn| lsn < least);
        self.lineage != Lineage::Other && !least.is_some_and(lacks)
    }
}
