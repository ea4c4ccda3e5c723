//! What a span says of a failure: words and codes, never a message, since a server's may quote the values of a row.

use std::{borrow::Cow, error::Error as StdError};

use sea_orm::DbErr;

use crate::{
    error::Error,
    signal::{self, Signal},
    vocabulary::Role,
};

/// What the conventions write where there is no other word.
const OTHER: &str = "_OTHER";

/// How a statement failed.
pub(super) struct StatementFailure {
    /// `error.type`: the server's code, our kind, or what became of the connection.
    pub(super) kind: Cow<'static, str>,
    /// `db.response.status_code`: what the server answered last.
    pub(super) code: Option<String>,
}

impl StatementFailure {
    pub(super) fn of(err: &DbErr) -> Self {
        if let Some(ours) = Error::from_db_err(err) {
            return Self {
                kind: ours.kind().into(),
                code: cause_of(ours).and_then(signal::response_code),
            };
        }
        let code = signal::response_code(err);
        let kind = match (&code, signal::of_db_err(err, Role::Unknown)) {
            (Some(code), _) => code.clone().into(),
            (None, Signal::Unknown) => OTHER.into(),
            (None, signal) => signal.as_str().into(),
        };
        Self { kind, code }
    }

    /// The caller went away before there was an answer.
    pub(super) fn cancelled() -> Self {
        Self {
            kind: "cancelled".into(),
            code: None,
        }
    }
}

/// What the driver said, where that is why.
fn cause_of(ours: &Error) -> Option<&DbErr> {
    let source = ours.source()?;
    let boxed = || source.downcast_ref::<Box<DbErr>>().map(|err| &**err);
    source.downcast_ref().or_else(boxed)
}
