//! Foreign errors, read here and nowhere else: what happened, in our words.
//!
//! Reading takes two steps. [`ErrorFacts`] holds what an error says, as plain data, so that data files can drive the
//! second step without a server; [`Signal`] is what it means. What follows from it is decided elsewhere: for the node
//! by the reducer, for the statement by the table of retries. A foreign enum may grow, so its wildcard leads to
//! [`Signal::Unknown`], which promises nothing; our own enums are matched exhaustively.

mod advice;
mod cause;
mod driver;
mod foreign;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod silence;
#[cfg(feature = "sqlite")]
mod sqlite;
mod whole;

use std::borrow::Cow;
use std::fmt;
use std::io;

use sea_orm::sqlx::error::DatabaseError;

use crate::vocabulary::Role;

#[cfg(test)]
pub(crate) use advice::{of_server, of_tls};
pub(crate) use advice::{said, told};
#[cfg(feature = "postgres")]
pub(crate) use foreign::may_show_sharing;
#[cfg(feature = "otel")]
pub(crate) use foreign::response_code;
pub(crate) use foreign::{
    code, facts, is_doubtful, is_login_refused, is_outdated, may_pass, of_db_err, stage_of,
};
pub(crate) use silence::Silence;
pub(crate) use whole::{
    EndsTransaction, ends_transaction, is_in_aborted_transaction, is_serialization,
};

/// What a foreign error means. Whether anything was executed follows from it together with the stage and the kind of
/// statement, and stands in the table of retries (T9).
#[allow(
    dead_code,
    reason = "which of them are read depends on the backends that are built"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Signal {
    /// A replica refused the statement as a write. `certain`: the code alone says so; otherwise it is only believed
    /// once the same statement has succeeded on the primary (I6).
    RefusedAsWrite { certain: bool },
    /// The node that is held for the primary refuses writes: it lost the role, or a setting makes it read only (T8).
    ReadOnly,
    /// The server ended this session by command: one session was terminated, or the server is shutting down.
    Terminated,
    /// The server ended this session for being idle. The server is well, and read nothing of the statement.
    SessionEnded,
    /// The server ended this session, and no other, for a reason of its own. What it made of the statement is not said.
    SessionLost,
    /// The server is there and does not accept sessions yet.
    Starting,
    /// One of its processes died and took all sessions with it: the server is there and recovers from that.
    Recovering,
    /// The server is there and does not accept sessions any more.
    Stopping,
    /// An established connection broke: end of file, reset, broken pipe, a crashed server or worker.
    Disconnected,
    /// No connection came about: refused, unreachable, not found.
    Refused,
    /// The pool had no connection in time. It hides a dead node as well as a busy one.
    AcquireTimeout,
    /// The pool was closed meanwhile: the topology changed.
    PoolClosed,
    /// The server has no connection left for us. It is alive (T10).
    Overloaded,
    /// Replay on a replica won over the query; `ended`: and ended the session with it.
    RecoveryConflict { ended: bool },
    /// Serialization failure or deadlock: the caller owns the whole transaction.
    Serialization,
    /// Cancelled, or over a limit that the caller or an administrator set.
    Cancelled,
    /// The server is there and does not let us in: credentials, host rules, missing database.
    Rejected,
    /// What the connection had prepared of the statement does not fit the schema any more, or is another client's. The
    /// statement was not begun.
    Outdated,
    /// Another error-level answer of the server.
    Server,
    /// Refused on our side before a byte was sent: a value that cannot be encoded, a wrong option.
    Unsent,
    /// The answer came and could not be read as what the caller wanted.
    Unread,
    /// Our own time limit passed.
    TimedOut,
    /// We ended it ourselves, because the node was found dead or fenced (T7).
    Cut,
    /// Nothing is known.
    Unknown,
}

impl Signal {
    /// Every signal.
    #[cfg(test)]
    pub(crate) const ALL: &'static [Self] = &[
        Self::RefusedAsWrite { certain: true },
        Self::RefusedAsWrite { certain: false },
        Self::ReadOnly,
        Self::Terminated,
        Self::SessionEnded,
        Self::SessionLost,
        Self::Starting,
        Self::Recovering,
        Self::Stopping,
        Self::Disconnected,
        Self::Refused,
        Self::AcquireTimeout,
        Self::PoolClosed,
        Self::Overloaded,
        Self::RecoveryConflict { ended: false },
        Self::RecoveryConflict { ended: true },
        Self::Serialization,
        Self::Cancelled,
        Self::Rejected,
        Self::Outdated,
        Self::Server,
        Self::Unsent,
        Self::Unread,
        Self::TimedOut,
        Self::Cut,
        Self::Unknown,
    ];

    /// Whether the signal says something of the node, and not only of the statement.
    #[must_use]
    pub(crate) const fn concerns_node(self) -> bool {
        match self {
            Self::ReadOnly
            | Self::Terminated
            | Self::SessionLost
            | Self::Starting
            | Self::Recovering
            | Self::Stopping
            | Self::Disconnected
            | Self::Refused
            | Self::AcquireTimeout
            | Self::Overloaded
            | Self::Rejected
            | Self::TimedOut => true,
            Self::RefusedAsWrite { .. }
            | Self::SessionEnded
            | Self::PoolClosed
            | Self::RecoveryConflict { .. }
            | Self::Serialization
            | Self::Cancelled
            | Self::Outdated
            | Self::Server
            | Self::Unsent
            | Self::Unread
            | Self::Cut
            | Self::Unknown => false,
        }
    }

    /// Whether the connection is gone with it, so that an open transaction or a begun stream is lost.
    #[must_use]
    pub(crate) const fn ends_connection(self) -> bool {
        match self {
            Self::Terminated
            | Self::SessionEnded
            | Self::SessionLost
            | Self::RecoveryConflict { ended: true }
            | Self::Starting
            | Self::Recovering
            | Self::Stopping
            | Self::Disconnected
            | Self::Refused
            | Self::Cut => true,
            Self::ReadOnly
            | Self::RefusedAsWrite { .. }
            | Self::AcquireTimeout
            | Self::PoolClosed
            | Self::Overloaded
            | Self::RecoveryConflict { ended: false }
            | Self::Serialization
            | Self::Cancelled
            | Self::Rejected
            | Self::Outdated
            | Self::Server
            | Self::Unsent
            | Self::Unread
            | Self::TimedOut
            | Self::Unknown => false,
        }
    }

    /// The word, as it stands in metrics, logs and errors.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RefusedAsWrite { certain: true } => "refused_as_write",
            Self::RefusedAsWrite { certain: false } => "perhaps_refused_as_write",
            Self::ReadOnly => "read_only",
            Self::Terminated => "terminated",
            Self::SessionEnded => "session_ended",
            Self::SessionLost => "session_lost",
            Self::Starting => "starting",
            Self::Recovering => "recovering",
            Self::Stopping => "stopping",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
            Self::AcquireTimeout => "acquire_timeout",
            Self::PoolClosed => "pool_closed",
            Self::Overloaded => "overloaded",
            Self::RecoveryConflict { ended: false } => "recovery_conflict",
            Self::RecoveryConflict { ended: true } => "recovery_conflict_ended",
            Self::Serialization => "serialization",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Outdated => "outdated",
            Self::Server => "server",
            Self::Unsent => "unsent",
            Self::Unread => "unread",
            Self::TimedOut => "timed_out",
            Self::Cut => "cut",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerDialect {
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    MySql,
    #[cfg(feature = "sqlite")]
    Sqlite,
    /// A driver that we were built without: an adopted connection of another backend.
    Other,
}

/// How grave the server called it.
#[allow(dead_code, reason = "only PostgreSQL tells one")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The statement failed and the session lives.
    Error,
    /// The session is over.
    Fatal,
    /// The server does not say: MariaDB's and MySQL's packets carry none, nor do some poolers'.
    Untold,
}

/// An error answer of a server.
#[allow(dead_code, reason = "each backend's reader looks at its own part")]
#[derive(Clone, Debug)]
pub(crate) struct ServerAnswer<'e> {
    pub(crate) dialect: ServerDialect,
    pub(crate) severity: Severity,
    /// SQLSTATE; on SQLite the extended result code in decimal.
    pub(crate) code: Cow<'e, str>,
    /// The vendor's number (MariaDB, MySQL).
    pub(crate) number: Option<u16>,
    pub(crate) message: Cow<'e, str>,
    /// The server's function that raised it (PostgreSQL): unlike the message, it is never translated.
    pub(crate) routine: Option<Cow<'e, str>>,
}

/// What an error says, before it is judged.
#[derive(Clone, Debug)]
pub(crate) enum ErrorFacts<'e> {
    Server(ServerAnswer<'e>),
    Io(io::ErrorKind),
    Tls,
    WorkerCrashed,
    PoolTimedOut,
    PoolClosed,
    /// Refused by the driver before a byte was sent.
    Unsent,
    /// Raised while reading an answer that had come.
    Unread,
    Other,
}

/// One backend's reader: what its error type says, and what that means.
struct ErrorReader {
    dialect: ServerDialect,
    answer: for<'e> fn(&'e (dyn DatabaseError + 'static)) -> Option<ServerAnswer<'e>>,
    signal: fn(&ServerAnswer<'_>, Role) -> Signal,
    /// Whether the answer leaves open that the session is over, so that the connection is to be looked at.
    is_doubtful: fn(&ServerAnswer<'_>) -> bool,
    /// Whether the server has ended the whole transaction with it, and the session goes on outside.
    ends_transaction: fn(&ServerAnswer<'_>) -> EndsTransaction,
}

/// The readers of the backends that we were built with. SeaORM may have more on than we do.
const READERS: &[ErrorReader] = &[
    #[cfg(feature = "postgres")]
    postgres::READER,
    #[cfg(feature = "mysql")]
    mysql::READER,
    #[cfg(feature = "sqlite")]
    sqlite::READER,
];

/// What happened, from an error of the driver. `on`: the role for which the node was held when the connection was
/// taken; the same code means a misroute on a replica and a lost role on the primary.
#[must_use]
pub(crate) fn signal(error: &sea_orm::sqlx::Error, on: Role) -> Signal {
    meaning(&facts(error), on)
}

/// What happened, from the plain facts.
#[must_use]
pub(crate) fn meaning(facts: &ErrorFacts<'_>, on: Role) -> Signal {
    match facts {
        ErrorFacts::Server(answer) => READERS
            .iter()
            .find(|reader| reader.dialect == answer.dialect)
            .map_or(Signal::Unknown, |reader| (reader.signal)(answer, on)),
        ErrorFacts::Io(kind) => io_signal(*kind),
        ErrorFacts::Tls | ErrorFacts::WorkerCrashed => Signal::Disconnected,
        ErrorFacts::PoolTimedOut => Signal::AcquireTimeout,
        ErrorFacts::PoolClosed => Signal::PoolClosed,
        ErrorFacts::Unsent => Signal::Unsent,
        ErrorFacts::Unread => Signal::Unread,
        ErrorFacts::Other => Signal::Unknown,
    }
}

/// A refusal of writes: a misroute on a replica, and something else on the node held for the primary.
const fn refusal(on: Role, certain: bool) -> Signal {
    match on {
        Role::Replica => Signal::RefusedAsWrite { certain },
        Role::Primary | Role::Unknown | Role::Fenced => Signal::ReadOnly,
    }
}

fn io_signal(kind: io::ErrorKind) -> Signal {
    use io::ErrorKind as Kind;
    match kind {
        Kind::UnexpectedEof
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        // The kernel gave up on the peer; our own limits do not come as I/O errors.
        | Kind::TimedOut => Signal::Disconnected,
        Kind::ConnectionRefused
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable
        | Kind::NotFound
        | Kind::PermissionDenied => Signal::Refused,
        // `Other` carries errors that are no I/O at all, ours among them; a name that does not resolve has a kind
        // without a name. Neither says that the node is down: where the stage says that nothing was sent, that is
        // enough to move on.
        _ => Signal::Unknown,
    }
}
