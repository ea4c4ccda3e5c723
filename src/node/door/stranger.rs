//! Why a connection is not used, in words for who operates the servers (rules C4, T3, T5).

use thiserror::Error;

/// Why a connection is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stranger {
    #[error(
        "the connection leads to another database system than the cluster's servers are: correct the address, or SEALANE_FLAVOUR"
    )]
    OtherSystem,
    #[error(
        "the connection leads to a server of another cluster (another system identifier): correct the address"
    )]
    OtherCluster,
    #[error(
        "the connection leads to a server in recovery, and the node is the primary: correct the address, or promote the server"
    )]
    InRecovery,
    #[error(
        "the connection leads to a standby, and others of this name lead to the primary: let the name lead to one server, or let \
         what deals connections out look at the role"
    )]
    Strays,
    #[error(
        "the connection leads to a server on an older timeline than the cluster's: shut that server down, or correct the address"
    )]
    Stale,
    #[error(
        "the connection leads to a standby that receives nothing from the primary: nothing is to be done if that lasts for some seconds; else let it follow the primary"
    )]
    ReceivesNothing,
    #[error(
        "the connection leads back to a server that the name had moved away from: let the name lead to one primary only"
    )]
    Left,
    #[error(
        "the connection leads to a server that is the primary of a newer timeline: it is used once the topology says so"
    )]
    NotYet,
    #[error("the name has moved to another server: its pools are opened anew")]
    Moved,
    #[error(
        "the connection to a replica leads to a server that is not in recovery and lacks the read-only default: let the pooler pass `options` on"
    )]
    TakesWrites,
    #[error(
        "Pgpool-II answers there, and may send a read to another server than the one that said who it is, or answer it from its \
         cache: set its load_balance_mode and its memory_cache_enabled to off, or give the servers' own addresses"
    )]
    Balances,
}

impl Stranger {
    /// Whether the topology has a line of its own for it, or settles it by itself.
    pub(super) fn is_told_otherwise(self) -> bool {
        matches!(self, Self::Moved | Self::NotYet)
    }

    /// The driver's error for a connection that is not to be used.
    #[cfg(feature = "postgres")]
    pub(crate) fn refused(self) -> sea_orm::sqlx::Error {
        sea_orm::sqlx::Error::Configuration(Box::new(self))
    }
}
