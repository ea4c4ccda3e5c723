//! One answer of a server about its position: in its own words, and in the words of the cluster's clock (rule C6).

use std::{sync::Arc, time::Instant};

use crate::position::GtidSet;

/// What a server said of its position, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplayReport {
    /// Before the question was sent.
    pub(crate) begun: Instant,
    /// Nothing where the server is not in recovery.
    pub(crate) lsn: Option<u64>,
    /// The transactions that the server has executed, where they are its position and no number is.
    pub(crate) executed: Option<Arc<GtidSet>>,
    /// Everything that it has received it has replayed, so that no record is being replayed behind that position.
    pub(crate) complete: bool,
    pub(crate) source: Upstream,
    pub(crate) cluster: u64,
    /// The server's address and start time, as one number.
    pub(crate) server: u64,
    /// The server's address, where it has one; a server that was started again has it still.
    pub(crate) address: Option<u64>,
    /// The number of the poller's connection, where it was asked on that: see
    /// [`Replayed::poller_openings`](super::Replayed::poller_openings).
    pub(crate) connection: Option<u64>,
}

/// A [`ReplayReport`] in the words of the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplayObservation {
    pub(crate) told: LastReport,
    /// The ordinal of its epoch in the cluster's clock; nothing when it cannot be told, and then it proves nothing.
    pub(crate) epoch: Option<u64>,
    /// Nothing where the server is in no recovery, or has replayed nothing.
    pub(crate) lsn: Option<u64>,
    /// See [`ReplayReport::complete`].
    pub(crate) complete: bool,
    /// See [`ReplayReport::address`].
    pub(crate) address: Option<u64>,
    /// See [`ReplayReport::connection`].
    pub(crate) connection: Option<u64>,
}

/// From whom a standby receives (rule T2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// A server on this timeline.
    Timeline(u32),
    /// Somebody: the role may not see on which timeline, which takes `pg_read_all_stats`. The server itself has replayed
    /// some of this one, where it says so; it is never back on an older one after that.
    Hidden(Option<u32>),
    /// Nobody. The server has replayed some of this timeline and has heard of no later one, where it says so.
    Nobody(Option<u32>),
    /// Nobody, and the server has heard of a later timeline than the one of which it has replayed some.
    NobodyAhead,
    /// Of no timeline: this server wrote the last transaction that was applied, which has this number.
    #[cfg_attr(
        not(feature = "mysql"),
        allow(dead_code, reason = "only MariaDB's servers have no timelines")
    )]
    Writer { server: u32, sequence: u64 },
    /// Of no timeline: what was executed says it.
    #[cfg_attr(
        not(feature = "mysql"),
        allow(dead_code, reason = "only MySQL's positions are sets")
    )]
    Executed,
    /// The role may not even see whether there is one: what its server was known to follow may be over.
    Untold,
}

impl Upstream {
    /// Where no timeline is told, by whether somebody is there; nothing where that is not told either.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_hidden(receives: Option<bool>) -> Self {
        match receives {
            Some(true) => Self::Hidden(None),
            Some(false) => Self::Nobody(None),
            None => Self::Untold,
        }
    }
}

/// The last report of a position: who said it, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastReport {
    /// Before the question was sent.
    pub(crate) begun: Instant,
    /// Nothing where nobody was asked: what was known was only forgotten.
    pub(crate) server: Option<u64>,
    pub(crate) source: Upstream,
    /// As it was said; nothing where it is not in recovery.
    pub(crate) lsn: Option<u64>,
}

impl LastReport {
    pub(super) fn nothing(begun: Instant) -> Self {
        Self {
            begun,
            server: None,
            source: Upstream::Nobody(None),
            lsn: None,
        }
    }
}
