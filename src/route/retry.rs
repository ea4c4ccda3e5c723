//! Whether a statement that failed is sent again, and if not, what is known of it (R5, T9).
//!
//! A table in the form of two functions. [`outcome`] says what is certain; [`verdict`] never sends a write again unless
//! it is certain that it was not executed. Nothing moves that is in an open transaction; a stream that has
//! given a row away does not ask.

use crate::mutants;
use crate::signal::Signal;
use crate::state::{Fate, Ran};
use crate::vocabulary::{Outcome, Role, Stage};

/// How often a statement is sent again at the most.
pub(crate) const MOST_RETRIES: u8 = 3;

/// What was sent, as far as repeating it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SentKind {
    /// Proven to be a read.
    Read,
    /// A single SELECT, INSERT, UPDATE, DELETE or MERGE that is not proven to be a read.
    Plain,
    /// Anything else: CALL, DO, DDL, several statements, COPY, VACUUM, or what nobody understood.
    Opaque,
    /// The start of a transaction.
    Begin { read_only: bool },
    /// The end of one.
    Commit,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: SentKind,
    pub(crate) stage: Stage,
    pub(crate) signal: Signal,
    /// The role for which the node was held.
    pub(crate) role: Role,
    pub(crate) in_transaction: bool,
    /// The statement meets the conditions of the safety net (see [`safety`](super::safety)).
    pub(crate) correctable: bool,
    /// How often the statement was sent again already.
    pub(crate) retries: u8,
    /// How often a retry was because what a connection had prepared was out of date. As often as it may be where the
    /// connection is not ours to mend.
    pub(crate) renewed: u8,
    /// What is known of the crash that it broke in.
    pub(crate) crash: Crash,
}

/// What a read has to do with the crash of its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Crash {
    /// None that is known.
    #[default]
    No,
    /// The read's text was the first to break there.
    Suspected,
    /// The read ran while the first one did.
    Bystander,
    /// The read ran while the first one did, and that is the second time.
    BystanderAgain,
}

impl Crash {
    /// By what became of its server, and whether one has crashed under it before.
    #[must_use]
    pub(crate) fn of(fate: Fate, ran: Ran, before: bool) -> Self {
        match fate {
            Fate::Other => Self::No,
            // Nobody could tell in time, so that it may be either.
            Fate::Open if before => Self::BystanderAgain,
            Fate::Open => Self::Bystander,
            // Also another statement of this text: which of them it was does not matter to the next server.
            Fate::Crashed(first) if first == ran => Self::Suspected,
            Fate::Crashed(_) if before => Self::BystanderAgain,
            Fate::Crashed(_) => Self::Bystander,
        }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum RetryVerdict {
    Retry(RetryTo),
    /// The error goes to the caller, with what is known.
    Give(Outcome),
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryTo {
    /// Add the node to those tried, and route anew.
    Elsewhere,
    /// Route anew with the newest snapshot; if that is the one that was used, wait for the next.
    NewSnapshot,
    /// On the same node, on another connection.
    SameNode,
    /// Wherever the primary is, once the node that refused to be it was asked (T8).
    AfterProbe,
    /// Once on the primary: a replica refused it as a write (I6).
    Primary,
    /// On a connection that has forgotten what it had prepared. Once is enough, unless the schema changes again.
    Renewed,
}

impl RetryTo {
    /// Whether the retry spends the budget and counts among the retries. A pool that the topology closed is nobody's
    /// failure, and a misroute is ours: it is sent once and cannot come back.
    #[must_use]
    pub(crate) const fn costs(self, signal: Signal) -> bool {
        match self {
            Self::Primary | Self::AfterProbe | Self::Renewed => false,
            Self::Elsewhere | Self::SameNode => true,
            Self::NewSnapshot => !matches!(signal, Signal::PoolClosed),
        }
    }
}

/// What is certain about a statement that failed (T9).
#[must_use]
pub(crate) fn outcome(failure: &Failure) -> Outcome {
    match failure.stage {
        Stage::Route | Stage::Acquire => return Outcome::NotExecuted,
        Stage::Send | Stage::Commit => {}
    }
    let committing = failure.stage == Stage::Commit || failure.kind == SentKind::Commit;
    // Before COMMIT was asked for, a broken transaction is rolled back, whatever broke it; an opaque text may have
    // held a COMMIT of its own, and MySQL commits before DDL.
    if failure.in_transaction && !committing && failure.kind != SentKind::Opaque {
        return match failure.signal {
            Signal::Unread => Outcome::Executed,
            _ => Outcome::NotExecuted,
        };
    }
    if let SentKind::Begin { .. } = failure.kind {
        // Nothing of the caller's was sent.
        return Outcome::NotExecuted;
    }
    let whole = committing || failure.kind != SentKind::Opaque;
    match failure.signal {
        // The server answered that it did not do it. Of an opaque text a part may have been done before.
        Signal::RefusedAsWrite { .. }
        | Signal::ReadOnly
        | Signal::Terminated
        | Signal::SessionEnded
        | Signal::RecoveryConflict { .. }
        | Signal::Serialization
        | Signal::Cancelled
        | Signal::Overloaded
        | Signal::Rejected
        | Signal::Outdated
        | Signal::Server => {
            if whole {
                Outcome::NotExecuted
            } else {
                Outcome::Unknown
            }
        }
        // It never left us: these two tell of the pool even where acquiring and sending are one call.
        Signal::AcquireTimeout | Signal::PoolClosed | Signal::Unsent => Outcome::NotExecuted,
        Signal::Unread => Outcome::Executed,
        Signal::Disconnected if mutants::lives("writes_again") => Outcome::NotExecuted,
        Signal::Starting
        | Signal::Recovering
        | Signal::Stopping
        | Signal::SessionLost
        | Signal::Disconnected
        | Signal::Refused
        | Signal::TimedOut
        | Signal::Cut
        | Signal::Unknown => Outcome::Unknown,
    }
}

/// What to do about a statement that failed (R5). The budget is asked by the caller, if the retry costs.
pub(crate) fn verdict(failure: &Failure) -> RetryVerdict {
    let known = outcome(failure);
    let give = RetryVerdict::Give(known);
    let fixed = failure.in_transaction
        || match failure.stage {
            Stage::Commit => true,
            Stage::Route | Stage::Acquire | Stage::Send => failure.kind == SentKind::Commit,
        };
    if fixed {
        return give;
    }
    let read = match failure.kind {
        SentKind::Read | SentKind::Begin { read_only: true } => true,
        SentKind::Plain
        | SentKind::Opaque
        | SentKind::Commit
        | SentKind::Begin { read_only: false } => false,
    };
    let to = if failure.signal == Signal::PoolClosed {
        // Nobody failed, and nothing was sent: as often as the deadline allows.
        Some(RetryTo::NewSnapshot)
    } else if failure.signal == Signal::Outdated && failure.stage == Stage::Send {
        // Of an opaque text a part may have been done before.
        let may = known == Outcome::NotExecuted && failure.renewed < MOST_RETRIES;
        may.then_some(RetryTo::Renewed)
    } else if read {
        retry_read(failure)
    } else {
        retry_write(failure, known)
    };
    match to {
        Some(to) if failure.retries < MOST_RETRIES || !to.costs(failure.signal) => {
            RetryVerdict::Retry(to)
        }
        _ => give,
    }
}

/// Whether the server has to be asked first what became of it: the read ran on a connection that broke without a word.
#[must_use]
pub(crate) fn may_have_crashed(failure: &Failure) -> bool {
    let sent = match failure.stage {
        Stage::Route | Stage::Acquire | Stage::Commit => false,
        Stage::Send => true,
    };
    sent && failure.kind == SentKind::Read && failure.signal == Signal::Disconnected
}

fn retry_read(failure: &Failure) -> Option<RetryTo> {
    let replica = failure.role != Role::Primary;
    match failure.crash {
        Crash::No => {}
        // Who breaks beside a text that crashes its server is innocent, most likely: it gets one more server at the most.
        Crash::Bystander => {}
        Crash::Suspected | Crash::BystanderAgain => return None,
    }
    // A replica that gives no connection, for whatever reason, is no reason to fail.
    if replica && failure.stage == Stage::Acquire {
        return Some(RetryTo::Elsewhere);
    }
    match failure.signal {
        Signal::RefusedAsWrite { .. } => {
            // A BEGIN that a standby cannot serve has no text of the caller's in it.
            let begin = failure.kind == SentKind::Begin { read_only: true };
            (replica && (failure.correctable || begin)).then_some(RetryTo::Primary)
        }
        Signal::Terminated
        | Signal::Disconnected
        | Signal::Refused
        | Signal::Starting
        | Signal::Recovering
        | Signal::Stopping
        | Signal::Cut => Some(RetryTo::Elsewhere),
        Signal::RecoveryConflict { .. } | Signal::Overloaded => {
            replica.then_some(RetryTo::Elsewhere)
        }
        Signal::SessionLost if replica || failure.stage == Stage::Acquire => {
            Some(RetryTo::Elsewhere)
        }
        Signal::SessionEnded | Signal::SessionLost => Some(RetryTo::SameNode),
        Signal::PoolClosed => Some(RetryTo::NewSnapshot),
        Signal::ReadOnly
        | Signal::AcquireTimeout
        | Signal::Serialization
        | Signal::Cancelled
        | Signal::Rejected
        | Signal::Outdated
        | Signal::Server
        | Signal::Unsent
        | Signal::Unread
        | Signal::TimedOut
        | Signal::Unknown => None,
    }
}

/// On the primary, so there is nowhere else; what may help is a new connection, or the primary's return.
fn retry_write(failure: &Failure, known: Outcome) -> Option<RetryTo> {
    match known {
        Outcome::NotExecuted => {}
        Outcome::Executed | Outcome::Unknown => return None,
    }
    match failure.signal {
        Signal::Terminated
        | Signal::Disconnected
        | Signal::Refused
        | Signal::Starting
        | Signal::Recovering
        | Signal::Stopping
        | Signal::Cut => Some(RetryTo::Elsewhere),
        Signal::SessionLost if failure.stage == Stage::Acquire => Some(RetryTo::Elsewhere),
        Signal::SessionEnded | Signal::SessionLost => Some(RetryTo::SameNode),
        Signal::PoolClosed => Some(RetryTo::NewSnapshot),
        // Of one that lost the role; if it is the primary still, the refusal goes to the caller at once (T8).
        Signal::ReadOnly if failure.role == Role::Primary => Some(RetryTo::AfterProbe),
        // The pool's own wait was the deadline.
        Signal::AcquireTimeout
        | Signal::ReadOnly
        | Signal::RefusedAsWrite { .. }
        | Signal::Overloaded
        | Signal::RecoveryConflict { .. }
        | Signal::Serialization
        | Signal::Cancelled
        | Signal::Rejected
        | Signal::Outdated
        | Signal::Server
        | Signal::Unsent
        | Signal::Unread
        | Signal::TimedOut
        | Signal::Unknown => None,
    }
}
