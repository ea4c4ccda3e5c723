//! The errors of MariaDB and MySQL.
//!
//! The vendor's number decides: SQLSTATE `HY000` says nothing, and 1290 is shared by every option that forbids
//! something, so its text must name the read-only one (the option's name is not translated).

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::MySqlDatabaseError;

use super::{EndsTransaction, ErrorReader, ServerAnswer, ServerDialect, Severity, Signal, refusal};
use crate::vocabulary::Role;

pub(super) const READER: ErrorReader = ErrorReader {
    dialect: ServerDialect::MySql,
    answer,
    signal,
    is_doubtful,
    ends_transaction,
};

fn answer<'e>(error: &'e (dyn DatabaseError + 'static)) -> Option<ServerAnswer<'e>> {
    let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(ServerAnswer {
        dialect: ServerDialect::MySql,
        severity: Severity::Untold,
        code: error.code().unwrap_or_default().into(),
        number: Some(error.number()),
        message: error.message().into(),
        routine: None,
    })
}

fn signal(answer: &ServerAnswer<'_>, on: Role) -> Signal {
    let replica = on == Role::Replica;
    match answer.number.unwrap_or_default() {
        1290 if answer.message.contains("read-only") || answer.message.contains("read_only") => {
            refusal(on, false)
        }
        // A READ ONLY transaction: SQLSTATE 25006.
        1792 => refusal(on, true),
        1836 => refusal(on, false),
        1040 | 1203 | 1226 => Signal::Overloaded,
        // Shutting down, killed, aborted. A shutdown can be answered to a statement that was executed.
        _ if is_doubtful(answer) => Signal::Disconnected,
        4031 => Signal::SessionEnded,
        3032 | 3168 => Signal::Starting,
        1020 | 1213 if replica => Signal::RecoveryConflict { ended: false },
        1020 | 1213 => Signal::Serialization,
        1205 | 1317 | 1907 | 1969 | 3024 | 3572 => Signal::Cancelled,
        1044 | 1045 | 1049 | 1129 | 1130 | 1251 | 1698 | 1820 | 1862 | 3118 => Signal::Rejected,
        _ => Signal::Server,
    }
}

/// A deadlock rolls all of the transaction back, and leaves a session that stores each statement by itself; so does a row
/// that others changed, on MariaDB with `innodb_snapshot_isolation`. A lock's limit does where `innodb_rollback_on_timeout` says
/// so, and ends the statement alone elsewhere.
fn ends_transaction(answer: &ServerAnswer<'_>) -> EndsTransaction {
    match answer.number {
        Some(1020 | 1213) => EndsTransaction::Surely,
        Some(1205) => EndsTransaction::Untold,
        _ => EndsTransaction::No,
    }
}

/// Whether the session may be over. The packets carry no severity, so the connection is looked at where that is
/// possible. SIGNAL may set any of these numbers, but its state is `45000` then, unless its author set that as well.
fn is_doubtful(answer: &ServerAnswer<'_>) -> bool {
    let ends = matches!(
        answer.number.unwrap_or_default(),
        1053 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013
    );
    ends && answer.code != "45000"
}
