//! What a connection's first round trip tells, and what of that counts for the system that answers (rules C4, T18).

#[cfg(feature = "postgres")]
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

#[cfg(feature = "postgres")]
use crate::node::seen::Seen;
use crate::{causality::ReplayReport, vocabulary::Flavour};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::{
    config::{Config, NodeConfig},
    vocabulary::Role,
};

/// What a server said of itself in a connection's first round trip. What it does not tell is nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hello {
    pub(crate) cluster: Option<u64>,
    pub(crate) in_recovery: bool,
    /// The one that it writes, or receives.
    pub(crate) timeline: Option<u64>,
    /// When the server was started, which is what tells one server from another: one has many addresses.
    pub(crate) started: Option<u64>,
    /// The server's address, as it sees it; none on a socket of the file system.
    pub(crate) address: Option<u64>,
    /// Whether the standby receives, or asks for it just now.
    pub(crate) receives: Option<bool>,
    /// The session cannot write unless it says so.
    pub(crate) read_only_default: bool,
    /// Strings begin and end in a text where the judge sees them begin and end.
    pub(crate) plain_strings: bool,
    /// Which system the server is; of those that differ from PostgreSQL by more than what is installed or set.
    pub(crate) flavour: Option<Flavour>,
    pub(crate) replay: Option<ReplayReport>,
    /// How the connection shows itself there.
    #[cfg(feature = "postgres")]
    pub(crate) seen: Option<Seen>,
}

/// What a pool's connections are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolPurpose {
    /// Connections that may write.
    pub(crate) writes: bool,
    /// Connections whose transactions are read only by default.
    pub(crate) read_only_default: bool,
    /// Which system their servers are, where that is set.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(
            dead_code,
            reason = "only PostgreSQL's servers may be another system's"
        )
    )]
    pub(crate) flavour: Flavour,
}

impl PoolPurpose {
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(in crate::node) fn of(config: &Config, node: &NodeConfig) -> Self {
        let is_replica = node.role() == Role::Replica;
        Self {
            writes: !is_replica,
            read_only_default: config.fence && is_replica,
            flavour: config.flavour,
        }
    }
}

impl Hello {
    /// What of it counts, where servers are what is set or else what this one says.
    #[cfg(feature = "postgres")]
    pub(crate) fn counted(self, purpose: PoolPurpose) -> Self {
        // What takes writes is no subscriber, and neither is what is in recovery: that is a standby of the publisher, of which
        // only positions prove nothing.
        let publishers = purpose.writes || self.in_recovery;
        let subscribers = purpose.flavour == Flavour::LogicalSubscriber;
        let set = purpose.flavour.or_publisher(publishers);
        let Some(flavour) = set.or(self.flavour) else {
            return self;
        };
        let row = flavour.row();
        let (all, of_own) = (row.epochs, row.identity);
        Self {
            in_recovery: self.in_recovery && (row.roles || row.writes_everywhere),
            cluster: self.cluster.filter(|_| of_own),
            started: self.started.filter(|_| of_own),
            address: self.address.filter(|_| of_own),
            timeline: self.timeline.filter(|_| all),
            receives: self.receives.filter(|_| all),
            replay: self.replay.filter(|_| row.positions && !subscribers),
            ..self
        }
    }

    /// A standby to which nobody sends anything, as far as it tells.
    pub(in crate::node) fn receives_nothing(&self) -> bool {
        self.in_recovery && self.receives == Some(false)
    }

    /// Whether any node takes writes, where that is known: by the server's own word, whatever is set.
    pub(in crate::node) fn writes_everywhere(&self) -> Option<bool> {
        Some(self.flavour?.row().writes_everywhere)
    }
}

/// A server by its address and start time, as one number.
#[cfg(feature = "postgres")]
pub(crate) fn server_of(addr: &str, started: Option<u64>) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((addr, started))
}
