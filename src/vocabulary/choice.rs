//! The choices of the configuration that are one word of a few.

word_enum! {
    /// What a read may miss.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Consistency {
        /// Nothing: every read runs on the primary.
        Strong = "strong",
        /// Nothing that this session wrote: a replica serves it once it is known to have replayed that.
        #[default]
        ReadYourWrites = "read-your-writes",
        /// Nothing that this session wrote, and nothing that an earlier read of it has seen, wherever that ran.
        Monotonic = "monotonic",
        /// Anything that a replica has not replayed yet.
        Eventual = "eventual",
    }
}

word_enum! {
    /// What happens to a read when no replica is known to have replayed what it has to see.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    OnStale {
        /// The primary serves it.
        #[default]
        Primary = "primary",
        /// The read waits for a replica, for `SEALANE_STALE_WAIT`; then the primary serves it.
        Wait = "wait",
        /// The read waits for a replica as long; then it fails with `Error::NotCaughtUp`.
        Error = "error",
    }
}

word_enum! {
    /// Whose writes a read has to see, where no session says otherwise.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Scope {
        /// Writes of the whole process.
        #[default]
        Process = "process",
        /// Writes of the same tokio task; outside a task, those of the process.
        Task = "task",
    }
}

word_enum! {
    /// How many statements a node is given at a time.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    StatementLimit {
        /// As many as were measured to have the shortest response times; the others wait for their turn.
        #[default]
        Adaptive = "adaptive",
        /// As many as its pool has connections.
        Off = "off",
    }
}

word_enum! {
    /// How the primary is known.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Failover {
        /// The nodes are asked what they are, and the greatest epoch wins.
        #[default]
        Auto = "auto",
        /// As `Auto`, but a greater epoch counts only with a witness: the old primary does not answer as one any more,
        /// another node follows the new one, or an authority names it. For those who promote a replica beside a healthy
        /// primary on purpose.
        Confirmed = "confirmed",
        /// The primary is the configured one.
        Off = "off",
    }
}

word_enum! {
    /// Whether statements go where they belong, or it is only told where that is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Mode {
        /// Reads go to replicas.
        #[default]
        Route = "route",
        /// Everything goes to the primary. What would have gone elsewhere is counted, and
        /// [`shadow_report`](crate::Cluster::shadow_report) tells it.
        Shadow = "shadow",
    }
}

word_enum! {
    /// What happens when two nodes are primaries of one epoch.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    OnConflict {
        /// Nothing is written until one of them is a standby again, or is named.
        #[default]
        Stop = "stop",
        /// The first one that this process saw goes on. This is a split brain as soon as another process saw the other.
        KeepFirst = "keep-first",
    }
}
