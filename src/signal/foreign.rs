//! The facts of sqlx's and SeaORM's errors.
//!
//! Both enums may grow: what is not known here becomes [`ErrorFacts::Other`], which promises nothing.

use sea_orm::error::ConnAcquireErr;
use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

use super::{Answer, Dialect, ErrorFacts, READERS, Severity, Signal, judge, signal};
use crate::words::{Role, Stage};

/// What sqlx's error says.
pub(crate) fn facts(error: &SqlxError) -> ErrorFacts<'_> {
    match error {
        SqlxError::Database(error) => {
            let answer = READERS.iter().find_map(|reader| (reader.answer)(&**error));
            ErrorFacts::Server(answer.unwrap_or_else(|| Answer {
                dialect: Dialect::Other,
                severity: Severity::Error,
                code: error.code().unwrap_or_default(),
                number: None,
                message: error.message().into(),
                routine: None,
            }))
        }
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
        // Protocol errors are raised for a text with too many arguments as well as for a garbled answer: they blame
        // nobody and prove nothing.
        _ => ErrorFacts::Other,
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
            _ => judge(&ErrorFacts::Other, on),
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

/// The server's code for an error, where it is a server's.
#[must_use]
pub(crate) fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(error) = error else {
        return None;
    };
    match facts(error) {
        ErrorFacts::Server(answer) => Some(answer.code.into_owned()),
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
