//! SeaORM's families of errors.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, sqlx};

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
