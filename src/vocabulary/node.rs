//! What is said of one node: its role, why it is not used.

use std::fmt;

word_enum! {
    /// What a node is allowed to do for the cluster.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Role {
        /// Takes writes, and reads that no replica may serve.
        Primary = "primary",
        /// Serves reads only.
        Replica = "replica",
        /// Not freshly observed: nothing is sent there.
        Unknown = "unknown",
        /// Seen, and not to be used: a stale primary, another cluster, a conflict.
        Fenced = "fenced",
    }
}

word_enum! {
    /// What a cluster can do, as its [`health`](crate::Cluster::health) says.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    HealthState {
        /// A primary takes writes. Reads are served: by replicas, or by it.
        Ready = "ready",
        /// No primary is known to be well, and replicas serve reads. Writes wait for one (`SEALANE_FAILOVER_TIMEOUT`).
        ReadOnly = "read_only",
        /// No node is known to be well.
        Down = "down",
    }
}

/// One node of the topology: its ordinal in this process, never reused, so that late news of a removed node
/// cannot be taken for news of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(pub(crate) u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

word_enum! {
    /// Why a node serves no balanced reads. The word is the label `reason` of `sealane_node_eligible`; as text
    /// ([`Display`](fmt::Display)) it says the same for people.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Ineligible without Display {
        /// The node is the primary, and the primary has no share in reads.
        Primary = "primary",
        /// Nobody has seen yet what it is.
        UnknownRole = "unknown_role",
        /// The node answers and is not to be used: see [`FenceReason`].
        Fenced = "fenced",
        /// The node is not in the list, or not yet.
        NotInTheList = "not_in_the_list",
        /// Drained on demand, by [`Cluster::drain`](crate::Cluster::drain).
        Drained = "drained",
        /// The node was found dead, and gets nothing until it answers.
        Ejected = "ejected",
        /// The node is under grave suspicion until its next probe.
        Suspected = "suspected",
        /// The node's weight is 0.
        NoWeight = "no_weight",
        /// The node belongs to another cluster than the primary, or could not tell.
        OtherCluster = "other_cluster",
        /// The node follows an older primary, or is one.
        OlderEpoch = "older_epoch",
        /// After a change of the primary the node does not tell whom it follows: its role may not see that (`pg_monitor`). It
        /// serves only what has to see nothing certain: `replica()` and reads that are `eventual`.
        EpochUntold = "epoch_untold",
        /// The node is further behind than `SEALANE_MAX_LAG`, or could not tell.
        TooFarBehind = "too_far_behind",
        /// The node has not replayed the first position that the primary told: a matter of milliseconds, if it is well.
        NotKnownToBeNear = "not_known_to_be_near",
        /// The node receives nothing from a primary.
        NotReceiving = "not_receiving",
        /// The node's transactions are serializable by default, and a standby refuses these.
        Serializable = "serializable",
        /// The node has replayed what the primary does not have: its history is another one.
        AheadOfThePrimary = "ahead_of_the_primary",
    }
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary | Self::Fenced | Self::Drained | Self::Ejected | Self::Suspected => {
                self.as_str()
            }
            Self::UnknownRole => "role not known yet",
            Self::NotInTheList => "not in the list",
            Self::NoWeight => "weight 0",
            Self::OtherCluster => "another cluster",
            Self::OlderEpoch => "follows an older primary",
            Self::EpochUntold => "does not tell whether it follows the new primary",
            Self::TooFarBehind => "too far behind",
            Self::NotKnownToBeNear => "lag not known yet",
            Self::NotReceiving => "not receiving",
            Self::Serializable => {
                "default_transaction_isolation is serializable, and a standby refuses every statement then"
            }
            Self::AheadOfThePrimary => "ahead of the primary",
        })
    }
}

word_enum! {
    /// Why a node that answers is not used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    FenceReason without Display {
        /// Configured as a replica, and not in recovery: a primary, perhaps an old one.
        NotInRecovery = "not_in_recovery",
        /// The node's system identifier is not the primary's.
        OtherCluster = "other_cluster",
        /// The node is another database system than the primary, or than `SEALANE_FLAVOUR` says.
        OtherSystem = "other_system",
        /// A primary of an epoch that is over.
        Stale = "stale",
        /// The node shows a greater epoch than the primary, and nobody vouches for it: perhaps a copy that was promoted
        /// elsewhere.
        Quarantined = "quarantined",
        /// The node is the primary of the same epoch as another node.
        Conflict = "conflict",
        /// The node is the primary under another name.
        SameServer = "same_server",
    }
}

impl fmt::Display for FenceReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInRecovery => "configured as a replica, and not in recovery",
            Self::OtherCluster => "of another cluster",
            Self::OtherSystem => "another database system",
            Self::Stale => "takes writes on an older timeline than the primary",
            Self::Quarantined => {
                "takes writes on a newer timeline than the primary, and nobody confirms it"
            }
            Self::Conflict => "takes writes on the timeline of another primary",
            Self::SameServer => "the primary under another name",
        })
    }
}

word_enum! {
    /// What was heard of a node when it was found dead.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    EjectionCause {
        /// No connection came about: refused, unreachable, not found.
        Refused = "refused",
        /// The node's connections broke.
        Disconnected = "disconnected",
        /// The node did not answer in time.
        TimedOut = "timed_out",
        /// The server is there and accepts no sessions yet.
        Starting = "starting",
        /// One of its processes died, and it recovers from that.
        Recovering = "recovering",
        /// The server is there and accepts no sessions any more.
        Stopping = "stopping",
        /// The node ended sessions, by command or for a reason of its own.
        Terminated = "terminated",
        /// The server does not let us in: login, host rules, database.
        Rejected = "rejected",
        /// The node has no connection left for us, or its pool had none in time.
        Overloaded = "overloaded",
        /// Anything else.
        Other = "other",
    }
}
