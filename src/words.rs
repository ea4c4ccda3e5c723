//! The words of the crate: bare enums and ids that every other module speaks.
//!
//! The same word stands in code, configuration, metrics, errors and documentation, so each enum has one
//! text form ([`as_str`](Intent::as_str)) and nothing else spells it. Dependencies point here and never from here.

use std::fmt;

macro_rules! word {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word, as it stands in metrics, logs, errors and output.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word! {
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

word! {
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

word! {
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
    }
}

word! {
    /// What is known of a statement that failed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Outcome {
        /// Certainly not executed: it may be sent again.
        NotExecuted = "not_executed",
        /// Certainly executed.
        Executed = "executed",
        /// It may or may not have been executed: it is never sent again.
        Unknown = "unknown",
    }
}

word! {
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
        /// Rows had been yielded to the caller.
        Yield = "yield",
        /// The end of a transaction was asked for.
        Commit = "commit",
    }
}

/// One node of the topology: its ordinal in this process, never reused, so that late news of a removed node
/// cannot be taken for news of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

word! {
    /// Whose writes a read has to see, where no session says otherwise.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Scope {
        /// Those of the whole process.
        #[default]
        Process = "process",
        /// Those of the same tokio task; outside a task, those of the process.
        Task = "task",
    }
}

word! {
    /// What happens to a read when no replica is known to have replayed what it has to see.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    OnStale {
        /// The primary serves it.
        #[default]
        Primary = "primary",
        /// It waits for a replica, for `SEALANE_STALE_WAIT`; then the primary serves it.
        Wait = "wait",
        /// It waits for a replica as long; then it fails with `Error::NotCaughtUp`.
        Error = "error",
    }
}

word! {
    /// How the primary is known.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    Failover {
        /// The nodes are asked what they are, and the greatest epoch wins.
        #[default]
        Auto = "auto",
        /// The same, but a greater epoch counts only with a witness: the old primary does not answer as one any more,
        /// another node follows the new one, or an authority names it. For those who promote a replica beside a healthy
        /// primary on purpose.
        Confirmed = "confirmed",
        /// It is the configured one.
        Off = "off",
    }
}

word! {
    /// What happens when two nodes are primaries of one epoch.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    OnConflict {
        /// Nothing is written until one of them follows again, or is named.
        #[default]
        Stop = "stop",
        /// The first one that this process saw goes on. This is a split brain as soon as another process saw the other.
        KeepFirst = "keep-first",
    }
}

word! {
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

word! {
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
    }
}
