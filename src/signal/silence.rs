//! A server that did not answer in a time of ours.

use std::{io, sync::Arc};

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// The setting that gives the time, with its value. It means what a pool's time-out means: the system's own `TimedOut`
/// says that an open connection broke, and would count as a sign of a crash.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0}")]
pub(crate) struct Silence(pub(crate) String);

impl Silence {
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    /// As the driver's error of an attempt to connect.
    pub(crate) fn into_db(self) -> DbErr {
        let error = io::Error::new(io::ErrorKind::TimedOut, self);
        DbErr::Conn(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(error))))
    }
}
