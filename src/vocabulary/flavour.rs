//! Which database system answers, and what follows from that: one row of data for each.
//!
//! Systems that speak PostgreSQL's protocol differ in what they can be asked and in what their answers mean. A row says
//! which answers count; what it takes away, nobody looks at any more. What is said of systems other than PostgreSQL
//! comes from their documentation and from reports of their users.

#[cfg(feature = "postgres")]
mod follower;
#[cfg(feature = "postgres")]
mod signs;

#[cfg(feature = "postgres")]
pub(crate) use self::signs::Signs;

word_enum! {
    /// Which database system the servers are.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Flavour {
        /// Each server says it in its first answer.
        #[default]
        Auto = "auto",
        /// PostgreSQL, and everything that is not known to be something else.
        Postgres = "postgresql",
        /// Amazon Aurora PostgreSQL: tells no positions.
        Aurora = "aurora",
        /// AlloyDB: as PostgreSQL.
        AlloyDb = "alloydb",
        /// Neon: as PostgreSQL.
        Neon = "neon",
        /// CockroachDB: every node takes writes, and reads are fresh on every node.
        CockroachDb = "cockroachdb",
        /// YugabyteDB: as CockroachDB.
        YugabyteDb = "yugabytedb",
        /// Citus: its coordinator as PostgreSQL; no positions where a node reads from the workers' replicas.
        Citus = "citus",
        /// Servers that receive rows by logical replication. Unless it is set, such a server is not used as a replica:
        /// nobody can tell which of the primary's writes it has.
        LogicalSubscriber = "logical-subscriber",
        /// A pooler in transaction mode stands before the servers, whatever they are: it is not waited for until it is found.
        Pooler = "pooler",
    }
}

/// What a system's answers are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlavourRow {
    /// Whether a server is in recovery says whether it is a replica.
    pub(crate) roles: bool,
    /// All servers of a cluster have one identifier.
    pub(crate) identity: bool,
    /// Servers show which primaryship they are, or follow.
    pub(crate) epochs: bool,
    /// Servers tell how far they have come, and a replica that has come as far as the primary shows its writes.
    pub(crate) positions: bool,
    /// Every node takes writes, and a read on any node sees what was written on any other before it began.
    pub(crate) writes_everywhere: bool,
}

const POSTGRES: FlavourRow = FlavourRow {
    roles: true,
    identity: true,
    epochs: true,
    positions: true,
    writes_everywhere: false,
};

/// Instances share one storage, and the functions of the log are not supported (`0A000`) or ask for `wal_level=logical`
/// (`55000`), where they would tell of the writer only.
const AURORA: FlavourRow = FlavourRow {
    epochs: false,
    positions: false,
    ..POSTGRES
};

/// `pg_is_in_recovery()` is always false (cockroach#26374), and there is no log that nodes share: YugabyteDB has
/// PostgreSQL's functions and does not use its log (yugabyte-db#13418). Each node has what its own `initdb` made.
const EVERYWHERE: FlavourRow = FlavourRow {
    roles: false,
    identity: false,
    epochs: false,
    positions: false,
    writes_everywhere: true,
};

/// A server of its own: it is in no recovery, and its log is another one than the publisher's.
const SUBSCRIBER: FlavourRow = FlavourRow {
    writes_everywhere: false,
    ..EVERYWHERE
};

impl Flavour {
    /// What this system's answers are good for.
    pub(crate) const fn row(self) -> FlavourRow {
        match self {
            Self::Auto
            | Self::Postgres
            | Self::AlloyDb
            | Self::Neon
            | Self::Citus
            | Self::Pooler => POSTGRES,
            Self::Aurora => AURORA,
            Self::CockroachDb | Self::YugabyteDb => EVERYWHERE,
            Self::LogicalSubscriber => SUBSCRIBER,
        }
    }

    /// What is set for this server: of one that is no subscriber nothing, where it is said that replicas are subscribers.
    #[cfg(feature = "postgres")]
    pub(crate) fn or_publisher(self, is_publisher: bool) -> Self {
        match self {
            Self::LogicalSubscriber if is_publisher => Self::Auto,
            set => set,
        }
    }

    /// The one that is set; what was recognised where none is.
    pub(crate) fn or(self, recognised: Option<Self>) -> Option<Self> {
        match self {
            Self::Auto | Self::Pooler => recognised,
            set => Some(set),
        }
    }
}

/// What a server says of its system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SystemFacts {
    /// Which system it is, as far as it says so.
    pub(crate) flavour: Option<Flavour>,
    /// Positions prove nothing: it reads from other servers than its own, or tells none.
    pub(crate) proves_nothing: bool,
    /// Reads can begin there that a follower may serve.
    pub(crate) follower_reads: bool,
    /// The server receives rows by logical replication, and follows nobody.
    pub(crate) subscribes: bool,
}
