//! SQLite's errors.
//!
//! sqlx gives the extended result code in decimal; the primary code is its lowest byte. Only plain `SQLITE_READONLY`
//! says that a reader was given a write: its extended codes tell of recovery, of a moved file or of a directory, and the
//! writer would meet them too.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;

use super::{EndsTransaction, ErrorReader, ServerAnswer, ServerDialect, Severity, Signal, refusal};
use crate::vocabulary::Role;

pub(super) const READER: ErrorReader = ErrorReader {
    dialect: ServerDialect::Sqlite,
    answer,
    signal,
    // The engine is in this process: its answer is the end of it.
    is_doubtful: |_| false,
    ends_transaction: |_| EndsTransaction::No,
};

fn answer<'e>(error: &'e (dyn DatabaseError + 'static)) -> Option<ServerAnswer<'e>> {
    let error = error.try_downcast_ref::<SqliteError>()?;
    Some(ServerAnswer {
        dialect: ServerDialect::Sqlite,
        severity: Severity::Error,
        code: error.code().unwrap_or_default(),
        number: None,
        message: error.message().to_owned().into(),
        routine: None,
    })
}

fn signal(answer: &ServerAnswer<'_>, on: Role) -> Signal {
    let extended: u32 = answer.code.parse().unwrap_or_default();
    match (extended, extended & 0xff) {
        (8, _) => refusal(on, false),
        // SQLITE_BUSY_SNAPSHOT: the snapshot is too old to write, and waiting does not help.
        (517, _) => Signal::Serialization,
        // Busy, locked, interrupted.
        (_, 5 | 6 | 9) => Signal::Cancelled,
        // SQLITE_CANTOPEN: of the database when it is opened, and of another file in an ATTACH.
        (_, 14) => Signal::Rejected,
        _ => Signal::Server,
    }
}
