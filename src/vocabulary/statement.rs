//! What is said of one statement: what it needs, where it went and why, how it ended.

word_enum! {
    /// What a statement needs, from the weakest need to the strongest.
    ///
    /// The order is the strictness: of several statements in one text, the greatest decides.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    #[non_exhaustive]
    Intent {
        /// Proven to be a read: any fresh replica may serve it.
        Read = "read",
        /// Changes or asks for the state of one connection.
        Session = "session",
        /// Writes nothing, as far as can be told, and must run on the primary.
        Primary = "primary",
        /// Writes, locks, or calls something that does.
        Write = "write",
    }
}

word_enum! {
    /// Why a statement went where it went.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Reason {
        /// A read on a balanced replica (or, with a weight, on the primary among them).
        Replica = "replica",
        /// The text writes, locks or calls a function that does.
        Write = "write",
        /// Handed to `execute` or `execute_unprepared`, which promise no rows: not judged, always the primary.
        Execute = "execute",
        /// Writes nothing but is only right on the primary (sequences, unlogged tables, advisory locks, …).
        PrimaryOnly = "primary_only",
        /// Reads or changes the state of a connection.
        SessionState = "session_state",
        /// The text could not be parsed or understood.
        Unparsed = "unparsed",
        /// The text is longer than `SEALANE_MAX_STATEMENT_SIZE`.
        TooLong = "too_long",
        /// Calls a function that is not known to be harmless.
        UnknownFunction = "unknown_function",
        /// The caller asked for this node's role by `primary()` or `replica()`.
        Forced = "forced",
        /// Inside a transaction, or the start of one that may write.
        Transaction = "transaction",
        /// The start of a transaction declared read only.
        ReadOnlyTransaction = "read_only_transaction",
        /// The session wrote, and no eligible replica is known to have replayed it.
        NotCaughtUp = "not_caught_up",
        /// Replicas are configured and none is eligible.
        NoReplica = "no_replica",
        /// No replica is configured, or the splitting is switched off.
        OnlyPrimary = "only_primary",
        /// A replica refused the statement as a write; it ran once on the primary.
        Corrected = "corrected",
        /// A replica would have served the read, and `SEALANE_MODE=shadow` keeps it on the primary.
        Shadow = "shadow",
    }
}

word_enum! {
    /// What is known of a statement that failed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Outcome {
        /// Certainly not executed: it may be sent again.
        NotExecuted = "not_executed",
        /// Certainly executed.
        Executed = "executed",
        /// The statement may or may not have been executed: it is never sent again.
        Unknown = "unknown",
    }
}

word_enum! {
    /// How far a statement had come when something happened.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Stage {
        /// Choosing a node.
        Route = "route",
        /// Getting a connection: nothing was sent.
        Acquire = "acquire",
        /// The statement was handed to the connection.
        Send = "send",
        /// The end of a transaction was asked for.
        Commit = "commit",
    }
}

word_enum! {
    /// What a statement failed with, as an operator sorts it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    FailureKind {
        /// No connection came about: refused, unreachable, the server starts or stops, or does not let us in.
        Connect = "connect",
        /// No connection was had in time, or the server has none left.
        AcquireTimeout = "acquire_timeout",
        /// The connection broke or was ended under the statement.
        Lost = "lost",
        /// The server refuses writes: a standby, or a primary that is read-only.
        ReadOnly = "read_only",
        /// The standby cancelled the statement, because replay needed what it read.
        Conflict = "conflict",
        /// A serialization failure or a deadlock.
        Serialization = "serialization",
        /// Cancelled, or over a time limit.
        Cancelled = "cancelled",
        /// Any other error of the server: the statement itself is wrong, mostly.
        Statement = "statement",
        /// A value that could not be sent, or an answer that could not be read.
        Value = "value",
        /// Nothing is known.
        Unknown = "unknown",
    }
}

word_enum! {
    /// Why a statement was sent again.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    RetryCause {
        /// No connection could be opened.
        Connect = "connect",
        /// The node's pool gave no connection in time.
        AcquireTimeout = "acquire_timeout",
        /// The connection broke under the statement.
        Lost = "lost",
        /// The server is starting, stopping or ended the session.
        Unavailable = "unavailable",
        /// The standby cancelled the statement, because replay needed what it read.
        Conflict = "conflict",
        /// The node turned out not to be the primary.
        ReadOnly = "read_only",
        /// The node left the topology, or its role, before anything was sent.
        Swapped = "swapped",
        /// The whole transaction was not serializable, or a part of a deadlock, and its closure may run again.
        Serialization = "serialization",
    }
}
