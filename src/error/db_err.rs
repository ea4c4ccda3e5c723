//! The way of our error into SeaORM's `DbErr` and out of it, and SeaORM's families of errors.

use std::{io, sync::Arc};

use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::Error;
use crate::vocabulary::Outcome;

/// Which of SeaORM's three families an error belongs to: the call decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DbErrKind {
    Conn,
    Exec,
    Query,
}

impl DbErrKind {
    /// The driver's error as SeaORM itself would give it for this call.
    pub(crate) fn of_sqlx(self, err: sqlx::Error) -> DbErr {
        let carried = RuntimeErr::SqlxError(Arc::new(err));
        match self {
            Self::Conn => DbErr::Conn(carried),
            Self::Exec => DbErr::Exec(carried),
            Self::Query => DbErr::Query(carried),
        }
    }
}

impl Error {
    /// The sealane error that a `DbErr` carries, if it carries one.
    #[must_use]
    pub fn from_db_err(err: &DbErr) -> Option<&Error> {
        let (DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime)) = err else {
            return None;
        };
        let RuntimeErr::SqlxError(sqlx) = runtime else {
            return None;
        };
        let sqlx::Error::Io(io) = sqlx.as_ref() else {
            return None;
        };
        io.get_ref()?.downcast_ref()
    }

    /// Into a `DbErr` of the kind that SeaORM gives for the same call: `Conn` where nothing was executed.
    pub(crate) fn into_db(self, kind: DbErrKind) -> DbErr {
        let kind = if self.outcome() == Outcome::NotExecuted {
            DbErrKind::Conn
        } else {
            kind
        };
        let carried = RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(io::Error::other(self))));
        match kind {
            DbErrKind::Conn => DbErr::Conn(carried),
            DbErrKind::Exec => DbErr::Exec(carried),
            DbErrKind::Query => DbErr::Query(carried),
        }
    }
}

impl From<Error> for DbErr {
    /// `?` in a function that returns `DbErr`. An error from the driver at start is handed on as it came.
    fn from(err: Error) -> Self {
        err.into_db(DbErrKind::Conn)
    }
}
