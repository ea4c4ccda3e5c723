//! The facts of sqlx's and SeaORM's errors.
//!
//! Both enums may grow: what is not known here becomes [`ErrorFacts::Other`], which promises nothing.

use sea_orm::error::ConnAcquireErr;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

use super::{
    ErrorFacts, READERS, ServerAnswer, ServerDialect, Severity, Signal, Silence, meaning, signal,
};
use crate::vocabulary::{Role, Stage};

/// What sqlx's error says.
pub(crate) fn facts(error: &SqlxError) -> ErrorFacts<'_> {
    match error {
        SqlxError::Database(error) => {
            let answer = READERS.iter().find_map(|reader| (reader.answer)(&**error));
            ErrorFacts::Server(answer.unwrap_or_else(|| ServerAnswer {
                dialect: ServerDialect::Other,
                severity: Severity::Error,
                code: error.code().unwrap_or_default(),
                number: None,
                message: error.message().into(),
                routine: None,
            }))
        }
        SqlxError::Io(error) if Silence::of(error).is_some() => ErrorFacts::PoolTimedOut,
        SqlxError::Io(error) => ErrorFacts::Io(error.kind()),
        SqlxError::Tls(_) => ErrorFacts::Tls,
        SqlxError::WorkerCrashed => ErrorFacts::WorkerCrashed,
        SqlxError::PoolTimedOut => ErrorFacts::PoolTimedOut,
        SqlxError::PoolClosed => ErrorFacts::PoolClosed,
        SqlxError::Configuration(_)
        | SqlxError::InvalidArgument(_)
        | SqlxError::Encode(_)
        | SqlxError::TypeNotFound { .. }
        | SqlxError::InvalidSavePointStatement => ErrorFacts::Unsent,
        SqlxError::RowNotFound
        | SqlxError::ColumnIndexOutOfBounds { .. }
        | SqlxError::ColumnNotFound(_)
        | SqlxError::ColumnDecode { .. }
        | SqlxError::Decode(_) => ErrorFacts::Unread,
        SqlxError::Protocol(message) if is_unsent(message) => ErrorFacts::Unsent,
        // Other protocol errors are raised for a garbled answer: they blame nobody and prove nothing.
        _ => ErrorFacts::Other,
    }
}

/// What the drivers say before they send anything. They have one kind of error for that and for a garbled answer, so the
/// text has to tell; a text that is not known here only makes an outcome unknown.
const UNSENT: &[&str] = &[
    "too many arguments for query",
    "too large for binary protocol",
    "too many parameter format codes",
    "too many result format codes",
    "message size out of range for protocol",
    // MariaDB and MySQL: the text was prepared, and is not executed.
    "prepared statement expected",
    // SQLite, whose engine has not been asked.
    "query contains nul bytes",
    "parameters with non-integer names",
    "unsupported SQL parameter format",
];

fn is_unsent(message: &str) -> bool {
    UNSENT.iter().any(|known| message.contains(known))
}

/// Whether the session may be over although the answer does not say so: then the connection has to be asked.
#[must_use]
pub(crate) fn is_doubtful(error: &DbErr) -> bool {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
        return false;
    };
    let RuntimeErr::SqlxError(error) = error else {
        return false;
    };
    let ErrorFacts::Server(answer) = facts(error) else {
        return false;
    };
    let mut readers = READERS.iter();
    readers
        .find(|reader| reader.dialect == answer.dialect)
        .is_some_and(|reader| (reader.is_doubtful)(&answer))
}

/// Whether what the connection has prepared does not fit the schema any more, so that it has to forget it.
#[must_use]
pub(crate) fn is_outdated(error: &DbErr) -> bool {
    of_db_err(error, Role::Unknown) == Signal::Outdated
}

/// Whether what the connection has prepared may be gone, or another client's: so that a pooler shares connections.
#[cfg(feature = "postgres")]
#[must_use]
pub(crate) fn may_show_sharing(error: &DbErr) -> bool {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
        return false;
    };
    let RuntimeErr::SqlxError(error) = error else {
        return false;
    };
    match facts(error) {
        ErrorFacts::Server(answer) => super::postgres::may_show_sharing(&answer),
        _ => false,
    }
}

/// What happened, from SeaORM's error: transactions and adopted connections go through SeaORM.
#[must_use]
pub(crate) fn of_db_err(error: &DbErr, on: Role) -> Signal {
    match error {
        DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error) => match error {
            RuntimeErr::SqlxError(error) => signal(error, on),
            // Not exhaustive on purpose: other features of SeaORM add variants.
            #[allow(unreachable_patterns)]
            _ => meaning(&ErrorFacts::Other, on),
        },
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Signal::AcquireTimeout,
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Signal::PoolClosed,
        DbErr::TryIntoErr { .. }
        | DbErr::ConvertFromU64(_)
        | DbErr::UnpackInsertId
        | DbErr::RecordNotFound(_)
        | DbErr::RecordNotInserted
        | DbErr::RecordNotUpdated
        | DbErr::Type(_)
        | DbErr::Json(_) => Signal::Unread,
        DbErr::UpdateGetPrimaryKey
        | DbErr::AttrNotSet(_)
        | DbErr::BackendNotSupported { .. }
        | DbErr::KeyArityMismatch { .. }
        | DbErr::PrimaryKeyNotSet { .. }
        | DbErr::RbacError(_)
        | DbErr::AccessDenied { .. } => Signal::Unsent,
        _ => Signal::Unknown,
    }
}

/// Whether a server that a new connection failed on so may be on its way up. A name that does not resolve and a wrong
/// certificate do not pass by themselves, as SeaORM has it too.
#[must_use]
pub(crate) fn may_pass(error: &DbErr) -> bool {
    if let DbErr::Conn(RuntimeErr::SqlxError(error)) = error
        && matches!(facts(error), ErrorFacts::Tls)
    {
        return false;
    }
    matches!(
        of_db_err(error, Role::Unknown),
        Signal::Refused
            | Signal::Starting
            | Signal::Recovering
            | Signal::Stopping
            | Signal::Overloaded
            | Signal::AcquireTimeout
            | Signal::TimedOut
            | Signal::Terminated
            | Signal::Disconnected
    )
}

/// Whether the server lets this user in by no password, or not by this one. MariaDB and MySQL give the same state.
#[must_use]
pub(crate) fn is_login_refused(error: &DbErr) -> bool {
    matches!(code(error).as_deref(), Some("28P01" | "28000"))
}

/// The server's code for an error, where it is a server's.
#[must_use]
pub(crate) fn code(error: &DbErr) -> Option<String> {
    answer(error).map(|answer| answer.code.into_owned())
}

/// The server's code as telemetry writes it: the vendor's number where there is one, else the SQLSTATE.
#[cfg(feature = "otel")]
#[must_use]
pub(crate) fn response_code(error: &DbErr) -> Option<String> {
    answer(error).map(|answer| match answer.number {
        Some(number) => number.to_string(),
        None => answer.code.into_owned(),
    })
}

fn answer(error: &DbErr) -> Option<ServerAnswer<'_>> {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(error) = error else {
        return None;
    };
    match facts(error) {
        ErrorFacts::Server(answer) => Some(answer),
        _ => None,
    }
}

/// How far a call through SeaORM had come. Taking a connection and running a statement are one call there, and only the
/// error's kind tells them apart: `Conn` and `ConnectionAcquire` are raised before anything is sent.
#[must_use]
pub(crate) const fn stage_of(error: &DbErr) -> Stage {
    match error {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Stage::Acquire,
        _ => Stage::Send,
    }
}
