//! How a node's connections ended last, and what ran on them: what the reducer remembers of it (R5).

use std::hash::BuildHasher;

use super::Moment;
use crate::signal::Signal;

/// A statement's text, as far as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TextHash(pub(crate) u64);

impl TextHash {
    pub(crate) fn of(sql: &str) -> Self {
        Self(foldhash::quality::FixedState::default().hash_one(sql))
    }
}

/// What ran on a connection that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Nothing of the caller's.
    #[default]
    Nothing,
    /// A read of this text.
    Read(TextHash),
    /// Something that is never repeated by itself.
    Other,
}

/// Why connections broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Not told yet.
    Open,
    /// A backend died, and its server recovers.
    Crash,
    /// Anything else: it is gone, or only these connections are.
    Other,
}

/// The end of a node's connections of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) generation: u64,
    pub(crate) since: Moment,
    pub(crate) cause: Cause,
    /// What broke first.
    pub(crate) first: Ran,
    /// The node serves again, or has had its time.
    pub(crate) over: bool,
    /// A new connection was answered, and is asked once more.
    pub(super) answered: bool,
}

impl Outage {
    pub(super) fn new(generation: u64, since: Moment, cause: Signal) -> Self {
        Self {
            generation,
            since,
            cause: match cause {
                Signal::Recovering | Signal::Starting => Cause::Crash,
                Signal::Disconnected => Cause::Open,
                _ => Cause::Other,
            },
            first: Ran::Nothing,
            over: false,
            answered: false,
        }
    }

    /// The text that is suspected of it.
    pub(crate) fn suspect(&self) -> Option<TextHash> {
        match (self.over, self.cause, self.first) {
            (false, Cause::Open | Cause::Crash, Ran::Read(text)) => Some(text),
            _ => None,
        }
    }
}
