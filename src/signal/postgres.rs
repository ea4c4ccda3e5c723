//! PostgreSQL's errors.
//!
//! The severity decides whether the session is over, then the code says why. Where a code is shared with other meanings (`0A000`, `55000`, `XX000`), the server's routine or the
//! message must be one of those listed, each taken from a real standby (15): a populated view that is not, a sequence
//! not yet used in this session or a cached plan that changed are no refusals of writes (I6). The routine comes first,
//! because messages are translated; those of `XX000` never are.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::{EndsTransaction, ErrorReader, ServerAnswer, ServerDialect, Severity, Signal, refusal};
use crate::{mutants, vocabulary::Role};

pub(super) const READER: ErrorReader = ErrorReader {
    dialect: ServerDialect::Postgres,
    answer,
    signal,
    is_doubtful,
    // What is aborted stays open, and lets nothing in, until it is rolled back.
    ends_transaction: |_| EndsTransaction::No,
};

fn answer<'e>(error: &'e (dyn DatabaseError + 'static)) -> Option<ServerAnswer<'e>> {
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    Some(ServerAnswer {
        dialect: ServerDialect::Postgres,
        severity: match error.severity() {
            PgSeverity::Panic | PgSeverity::Fatal => Severity::Fatal,
            PgSeverity::Error => Severity::Error,
            _ => Severity::Untold,
        },
        code: error.code().into(),
        number: None,
        message: error.message().into(),
        routine: error.routine().map(Into::into),
    })
}

/// The severity says whether the session is over, and never the class of the code: a missing bind value is `08P01`, and
/// a trigger may raise whatever its author likes.
fn signal(answer: &ServerAnswer<'_>, on: Role) -> Signal {
    match answer.severity {
        _ if mutants::lives("class_decides") && answer.code.starts_with("08") => {
            Signal::Disconnected
        }
        Severity::Fatal => ended(answer, on),
        Severity::Error | Severity::Untold if is_doubtful(answer) => ended(answer, on),
        Severity::Error | Severity::Untold => refused(answer, on),
    }
}

/// Whether an answer that leaves the session open, by what it says, may come from something between that has lost the
/// server, or is about to close. What the server itself says names the routine that raised it.
fn is_doubtful(answer: &ServerAnswer<'_>) -> bool {
    let of_sessions = ["08", "57P", "53300"];
    answer.severity != Severity::Fatal
        && (answer.severity == Severity::Untold || answer.routine.is_none())
        && of_sessions
            .iter()
            .any(|class| answer.code.starts_with(class))
}

/// A statement that failed in a session that goes on.
fn refused(answer: &ServerAnswer<'_>, on: Role) -> Signal {
    if answer.routine.as_deref() == Some(RAISE) {
        return Signal::Server;
    }
    match &*answer.code {
        "25006" => refusal(on, true),
        "0A000" if answer.routine.as_deref() == Some(REVALIDATE) => Signal::Outdated,
        _ if is_anothers(answer) => Signal::Outdated,
        "0A000" | "55000" | "XX000" if refused_in_recovery(answer) => refusal(on, false),
        "40001" | "40P01" if on == Role::Replica => Signal::RecoveryConflict { ended: false },
        "40001" | "40P01" => Signal::Serialization,
        "57014" | "55P03" => Signal::Cancelled,
        // Servers that speak the same protocol say it of a COMMIT whose fate they do not know.
        "40003" => Signal::Unknown,
        _ => Signal::Server,
    }
}

/// The end of a session.
fn ended(answer: &ServerAnswer<'_>, on: Role) -> Signal {
    match &*answer.code {
        // A statement, an idle session and a commit that got this answer were not executed (0 of 600); the same code
        // as a warning, for a commit that was, never reaches us as an error.
        "57P01" => Signal::Terminated,
        // A crash takes every session of the server.
        "57P02" => Signal::Disconnected,
        "57P03" if answer.message.starts_with(RECOVERS) => Signal::Recovering,
        "57P03" if answer.message.starts_with(STOPS) => Signal::Stopping,
        // Also whatever a server says in another language: taken for a stop, a crash would be passed on.
        "57P03" => Signal::Starting,
        "57P05" | "25P03" | "25P04" => Signal::SessionEnded,
        "53300" => Signal::Overloaded,
        "40001" | "40P01" if on == Role::Replica => Signal::RecoveryConflict { ended: true },
        "3D000" => Signal::Rejected,
        code if code.starts_with("28") => Signal::Rejected,
        // It proves nothing about the statement, and nothing about other sessions.
        _ => Signal::SessionLost,
    }
}

/// Said to whoever connects from the death of a backend on: by a standby until it replays again, by a primary until it
/// is back. One routine says all of these, so the text has to tell.
const RECOVERS: &str = "the database system is in recovery mode";

/// Said while the server is being stopped.
const STOPS: &str = "the database system is shutting down";

/// The routine behind RAISE of PL/pgSQL: the code is its author's.
const RAISE: &str = "exec_stmt_raise";

/// The routine that looks at a prepared statement before it is run, and refuses one whose columns are others by now.
const REVALIDATE: &str = "RevalidateCachedQuery";

/// The routines that look for a prepared statement and that make one, with the only error that each has.
const PREPARED: [(&str, &str); 2] = [
    ("26000", "FetchPreparedStatement"),
    ("42P05", "StorePreparedStatement"),
];

/// How the driver calls what it prepares, in the quotes of every language.
const OWN_NAME: &str = "\"sqlx_s_";

/// Raised for another client's statement as well, which has other values; by itself it is the application's mistake.
const OTHER_VALUES: [(&str, &str); 1] = [("08P01", "exec_bind_message")];

/// Whether what the driver prepared is not there, or another client's surely is: so it is behind a pooler that began to share
/// the server's connections. The statement was not begun.
fn is_anothers(answer: &ServerAnswer<'_>) -> bool {
    names_own(answer) && is_one_of(answer, &PREPARED)
}

/// Whether a pooler that began to share connections is to be looked for.
pub(super) fn may_show_sharing(answer: &ServerAnswer<'_>) -> bool {
    is_anothers(answer) || (names_own(answer) && is_one_of(answer, &OTHER_VALUES))
}

fn names_own(answer: &ServerAnswer<'_>) -> bool {
    answer.dialect == ServerDialect::Postgres && answer.message.contains(OWN_NAME)
}

fn is_one_of(answer: &ServerAnswer<'_>, known: &[(&str, &str)]) -> bool {
    let routine = answer.routine.as_deref();
    let mut known = known.iter();
    known.any(|(code, name)| answer.code == *code && routine == Some(*name))
}

/// Routines whose error with this code can only mean "not during recovery".
const ROUTINES: &[(&str, &str)] = &[
    // An unlogged table.
    ("0A000", "get_relation_info"),
    // `default_transaction_isolation = serializable`, and BEGIN with it.
    ("0A000", "GetSerializableTransactionSnapshot"),
    ("0A000", "CheckLogicalDecodingRequirements"),
    // A lock stronger than RowExclusive: lo_unlink, pg_import_system_collations.
    ("55000", "LockAcquireExtended"),
    ("55000", "pg_current_wal_lsn"),
    ("55000", "pg_current_wal_insert_lsn"),
    ("55000", "pg_current_wal_flush_lsn"),
    ("55000", "pg_walfile_name"),
    ("55000", "pg_walfile_name_offset"),
    ("55000", "pg_switch_wal"),
    ("55000", "pg_create_restore_point"),
    ("55000", "pg_log_standby_snapshot"),
    ("55000", "brin_summarize_range"),
    ("55000", "brin_desummarize_range"),
    ("55000", "gin_clean_pending_list"),
];

/// Messages that mean "not during recovery"; the beginning of one, or the whole.
const MESSAGES: &[(&str, &str)] = &[
    (
        "0A000",
        "cannot access temporary or unlogged relations during recovery",
    ),
    // Raised by the common check hook of all settings, so that its routine says nothing.
    (
        "0A000",
        "cannot set transaction read-write mode during recovery",
    ),
    ("0A000", "cannot use serializable mode in a hot standby"),
    ("0A000", "logical decoding cannot be used while in recovery"),
    ("55000", "recovery is in progress"),
    ("55000", "cannot acquire lock mode "),
    // GetNewTransactionId raises the same code for parallel workers, so the message must say it.
    ("XX000", "cannot assign OIDs during recovery"),
    ("XX000", "cannot assign TransactionIds during recovery"),
    ("XX000", "cannot make new WAL entries during recovery"),
];

fn refused_in_recovery(answer: &ServerAnswer<'_>) -> bool {
    let by_routine = answer.routine.as_deref().is_some_and(|routine| {
        ROUTINES
            .iter()
            .any(|(code, name)| answer.code == *code && routine == *name)
    });
    by_routine
        || MESSAGES
            .iter()
            .any(|(code, text)| answer.code == *code && answer.message.starts_with(text))
}
