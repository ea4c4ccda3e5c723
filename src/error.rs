//! The crate's one error.
//!
//! What a server answers passes unchanged; only what the server did not say is said here. A message names the node,
//! how far things had come and what to do. It never holds a password or a bound value.

mod bookmark;
pub mod causes;
mod db_err;
mod kind;
mod outcome;
mod report;
mod text;

use std::{error::Error as StdError, fmt, time::Duration};

use sea_orm::DbErr;

use self::causes::{
    CannotStart, LocalProblem, PositionDelay, SeenNodes, TopologyProblem, UnderWay,
};
pub(crate) use self::db_err::DbErrKind;
pub use self::report::{LastSwitch, Report, ReportedNode};
pub(crate) use self::text::GIVEN_UP;
use crate::config::ConfigError;
use crate::signal;
use crate::vocabulary::{Intent, Reason, Stage};

/// What went wrong, where the server did not say so itself.
///
/// Inside SeaORM's methods it travels as a `DbErr`; [`Error::from_db_err`] gets it back. Walking `source()` from the `DbErr`
/// does not reach it, because `std::io::Error` hides the error it carries behind `get_ref`.
///
/// [`Error::report`] tells in the same way how the cluster stood then.
///
/// ```
/// # use sea_orm::DbErr;
/// use sealane::{Error, Outcome};
///
/// fn may_send_again(err: &DbErr) -> bool {
///     Error::from_db_err(err).is_some_and(|ours| ours.outcome() == Outcome::NotExecuted)
/// }
/// # assert!(!may_send_again(&DbErr::Custom("other".into())));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used; every problem is listed.
    #[error(transparent)]
    Config(#[from] ConfigError),

    /// The primary could not be reached when connecting.
    #[error(
        "cannot start: the primary, node {}, gives no connection{}: {}",
        text::node(.node, .address), text::within(.limit.as_deref()), signal::told(.source)
    )]
    Start {
        /// The node's name.
        node: String,
        /// Host and port, or the file.
        address: Box<str>,
        /// The setting that ended the wait, where one did, with its value.
        limit: Option<Box<str>>,
        /// What the driver said.
        source: DbErr,
    },

    /// The node configured as the primary is a standby (rule T14).
    #[error(
        "cannot start: node `{node}` is configured as the primary but is in recovery (a standby); point DATABASE_URL at the primary"
    )]
    PrimaryInRecovery {
        /// The node's name.
        node: String,
    },

    /// The nodes answer, or some do, and which of them is the primary cannot be told.
    #[error("cannot start: {why}")]
    CannotStart {
        /// What is open, and the ways out.
        why: CannotStart,
    },

    /// The handle was made by `Default` and never connected.
    #[error("this handle is not connected to a database")]
    Disconnected,

    /// No primary is known or reachable for a statement that needs it.
    #[error(
        "no primary to send to{}: {}{nodes}; {}",
        text::after(.waited, .limit.as_deref()), text::before(.detail), text::unsent(*.sent)
    )]
    NoPrimary {
        /// Each node and its state.
        nodes: SeenNodes,
        /// What else stood in the way; empty where that is all.
        detail: Box<str>,
        /// How long one was waited for.
        waited: Duration,
        /// The setting that ended the wait, where one did, with its value.
        limit: Option<Box<str>>,
        /// Whether the statement had been sent before, to where it was not executed.
        sent: bool,
        /// What the last attempt failed with, where there was one.
        #[source]
        source: Option<Box<DbErr>>,
    },

    /// A `replica()` handle found replicas configured and none eligible.
    #[error(
        "no replica is eligible and this handle asks for one: {nodes}; {}: use the plain handle, which takes the primary then",
        text::unsent(*.sent)
    )]
    NoReplica {
        /// Each node and its state.
        nodes: SeenNodes,
        /// Whether the statement had been sent before, to where it was not executed.
        sent: bool,
    },

    /// A `replica()` handle was given something that is not proven to be a read.
    #[error(
        "a replica() handle takes proven reads only, and this statement is not one (intent {intent}, reason {reason}); use primary() or the plain handle"
    )]
    NotARead {
        /// What the statement needs.
        intent: Intent,
        /// Why it was judged so.
        reason: Reason,
    },

    /// A transaction on a replica was given something that is not proven to be a read (rule R6).
    #[error(
        "the transaction runs on replica `{node}`, where only proven reads may run, and this statement is not one (intent {intent}, reason {reason}); it was not sent: begin the transaction on the primary, by primary()"
    )]
    OnlyReads {
        /// The replica it runs on.
        node: String,
        /// What the statement needs.
        intent: Intent,
        /// Why it was judged so.
        reason: Reason,
    },

    /// A setting of one handle cannot be had, or its handle was given a text that cannot have it (rule R11).
    #[error("{why}; nothing was executed")]
    LocalSetting {
        /// What is wrong; never with a value.
        why: LocalProblem,
    },

    /// No connection was had in time.
    #[error(
        "node {} gave no connection{}, {}: {detail}; {}",
        text::node(.node, .address), text::after(.waited, .limit.as_deref()), text::stage(*.stage), text::unsent(*.sent)
    )]
    Unavailable {
        /// The last node tried.
        node: String,
        /// The node's host and port, or its file; empty where the application made the connection.
        address: Box<str>,
        /// How far the statement had come.
        stage: Stage,
        /// How long the statement took in all.
        waited: Duration,
        /// The setting that ended the wait, where one did, with its value: `SEALANE_ACQUIRE_TIMEOUT=30s`.
        limit: Option<Box<str>>,
        /// What stood in the way: the server's own last answer, where there is one.
        detail: Box<str>,
        /// Whether the statement had been sent before, to where it was not executed.
        sent: bool,
        /// The driver's error, where it was one.
        #[source]
        source: Option<Box<DbErr>>,
    },

    /// Writes could not be paused.
    #[error(
        "the writes of this process could not be paused within {}: {what}; nothing is held back; try again later",
        text::rounded(.waited)
    )]
    StillWriting {
        /// What stands in the way.
        what: UnderWay,
        /// How long the call waited.
        waited: Duration,
    },

    /// A read would have been stale, and waiting was not long enough.
    #[error("{}", text::not_caught_up(.nodes, &text::after(.waited, .limit.as_deref()), *.sent))]
    NotCaughtUp {
        /// The node the transaction is on, or the replicas that were waited for.
        nodes: Vec<String>,
        /// How long the read waited.
        waited: Duration,
        /// The setting that ended the wait, where one did, with its value.
        limit: Option<Box<str>>,
        /// Whether the statement had been sent before, to where it was not executed.
        sent: bool,
    },

    /// A bookmark comes from another cluster (rule C11).
    #[error("{}", text::OTHER_CLUSTER)]
    OtherCluster,

    /// A bookmark is of a primaryship that no node shows, and not every node could be asked (rule C11).
    #[error("{}", text::epoch_not_seen(*.timeline, .waited))]
    EpochNotSeen {
        /// The timeline that the bookmark names.
        timeline: u32,
        /// How long the call waited.
        waited: Duration,
    },

    /// No position can be had for what was written (rule C14).
    #[error(
        "the primary gives no position for what this session wrote: connections that the application made have none, MariaDB's servers need one domain of global transaction identifiers, MySQL's gtid_mode=ON and no other server that takes writes, and on PostgreSQL the role needs EXECUTE on pg_current_wal_insert_lsn(), pg_walfile_name() and pg_control_system(); without one, read what it wrote from the primary, by primary()"
    )]
    NoPosition,

    /// The primary has not told in time where what was written stands; it stays written (rules C12, C13).
    #[error(
        "the position of what this session wrote is not known after {} ({why}); what it wrote is not affected: do not write it again, ask for the position again",
        text::rounded(.waited)
    )]
    PositionUntold {
        /// What stands in the way.
        why: PositionDelay,
        /// How long the call waited.
        waited: Duration,
    },

    /// What was written has not reached so many replicas in time; it stays written.
    #[error(
        "what this session wrote is on the primary and known to be replayed by {reached} of the {wanted} replicas asked for, after {} ({}); wait again, and do not write it again",
        text::rounded(.waited), text::reached(.nodes.as_deref())
    )]
    NotReplicated {
        /// How many replicas were asked for.
        wanted: usize,
        /// How many are known to have replayed it.
        reached: usize,
        /// Which ones have; `None` where the primary has not told how far that is.
        nodes: Option<Vec<String>>,
        /// How long the call waited.
        waited: Duration,
    },

    /// More replicas were asked for than there are.
    #[error(
        "{wanted} replicas were asked for and {configured} are configured: ask for fewer, or configure more; servers behind one name count as one there, so give each an address of its own; what this session wrote is not affected"
    )]
    TooFewReplicas {
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        configured: usize,
    },

    /// The primary changed meanwhile: what was written before may be lost with the old one.
    #[error(
        "the primary changed before what this session wrote was known to be replayed: it may be lost; look before you write it again"
    )]
    PositionLost,

    /// The connection was lost after a write or a COMMIT was handed to it.
    #[error(
        "the connection to node `{node}` was lost {} ({source}): whether the statement was executed is unknown; look before you send it again",
        text::stage(*.stage)
    )]
    UnknownOutcome {
        /// The node it was sent to.
        node: String,
        /// How far it had come.
        stage: Stage,
        /// What the driver said.
        source: DbErr,
    },

    /// The server crashed while it ran a read, which may be what crashed it.
    #[error(
        "the server of node `{node}` crashed while it ran this statement ({source}): it was not run again anywhere, because it may be what crashed the server; look into that server's log before you run it again"
    )]
    ServerCrashed {
        /// The node whose server crashed.
        node: String,
        /// What the driver said.
        source: DbErr,
    },

    /// A read was kept away from the primary, because its text may have crashed another server.
    #[error(
        "the server of node `{node}` crashed while it ran a statement of this text: so soon after that the text is kept away from the primary, and no replica could run it within {}; {}, look into that server's log before you run it again",
        text::rounded(.waited), text::unsent(*.sent)
    )]
    KeptBack {
        /// The node whose server crashed.
        node: String,
        /// How long the statement waited.
        waited: Duration,
        /// Whether the statement had been sent before, to where it was not executed.
        sent: bool,
    },

    /// The connection under an open transaction was lost; nothing of the transaction is stored.
    #[error(
        "the transaction on node `{node}` was lost ({source}): nothing of it is stored, run it again from its beginning"
    )]
    TransactionLost {
        /// The node it ran on.
        node: String,
        /// What the driver said.
        source: DbErr,
    },

    /// The connection under a stream that had yielded rows was lost.
    #[error(
        "the stream from node `{node}` broke off after {rows} rows ({source}): run the query again from its beginning"
    )]
    StreamLost {
        /// The node it came from.
        node: String,
        /// How many rows had been yielded.
        rows: u64,
        /// What the driver said.
        source: DbErr,
    },

    /// What ran on a node was ended from our side: another node is the primary now, the node's name leads to another
    /// server, it fell silent, or it was removed and its drain time-out is over.
    #[error(
        "what ran on node `{node}` was cut off: {}; whether a write or COMMIT was executed is unknown: look before you send it again",
        text::GIVEN_UP
    )]
    CutOff {
        /// The node that was given up.
        node: String,
    },

    /// The node was given up before anything was sent there: another node is the primary now, the node's name leads to
    /// another server, it fell silent, or it was removed and its drain time-out is over.
    #[error(
        "node `{node}` was given up before this was sent: {}; nothing was executed, run it again",
        text::GIVEN_UP
    )]
    GivenUp {
        /// The node that was given up.
        node: String,
    },

    /// A nested `begin` failed, so the connection may no longer be inside the outer transaction (rule R9).
    #[error(
        "this transaction cannot go on: a nested begin failed, and the database may have ended the outer transaction; drop or roll back this handle and begin again"
    )]
    TransactionPoisoned,

    /// COMMIT was asked for a transaction that the server had aborted (rule R9).
    #[error(
        "the transaction on node `{node}` was aborted by an earlier error, so COMMIT would have stored nothing; it was rolled back"
    )]
    CommitAborted {
        /// The node it ran on.
        node: String,
    },

    /// The topology cannot be changed as it was asked for.
    #[error("the topology stays as it is: {why}")]
    Topology {
        /// What is wrong with what was asked for.
        why: TopologyProblem,
    },
}

/// The text: a `main` that returns an error prints its `Debug`, and whoever reads that wants to know what to do.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// `DbErr` wants to be shared between threads, and so does every error that travels inside it.
const _: () = {
    const fn shared<T: StdError + Send + Sync + 'static>() {}
    shared::<Error>();
};
