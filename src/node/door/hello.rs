//! What a connection's first round trip tells, and what of that counts for the system that answers (rules C4, T18).

#[cfg(feature = "postgres")]
use super::PoolPurpose;
use crate::{causality::ReplayReport, vocabulary::Flavour};

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
    /// The session cannot write unless it says so.
    pub(crate) read_only_default: bool,
    /// A backslash in a string is a backslash.
    pub(crate) plain_strings: bool,
    /// Which system the server is; of those that differ from PostgreSQL by more than what is installed or set.
    pub(crate) flavour: Option<Flavour>,
    pub(crate) replay: Option<ReplayReport>,
}

impl Hello {
    /// What of it counts, where servers are what is set or else what this one says.
    #[cfg(feature = "postgres")]
    pub(crate) fn counted(self, purpose: PoolPurpose) -> Self {
        // What takes writes is no subscriber.
        let set = purpose.flavour.or_publisher(purpose.writes);
        let Some(flavour) = set.or(self.flavour) else {
            return self;
        };
        let row = flavour.row();
        let (all, of_own) = (row.epochs, row.identity);
        Self {
            flavour: Some(flavour),
            in_recovery: self.in_recovery && (row.roles || row.writes_everywhere),
            cluster: self.cluster.filter(|_| of_own),
            started: self.started.filter(|_| of_own),
            address: self.address.filter(|_| of_own),
            timeline: self.timeline.filter(|_| all),
            replay: self.replay.filter(|_| row.positions),
            ..self
        }
    }

    /// Whether any node takes writes, where that is known.
    pub(in crate::node) fn writes_everywhere(&self) -> Option<bool> {
        Some(self.flavour?.row().writes_everywhere)
    }
}
