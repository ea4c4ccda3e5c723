//! What an error says of the whole transaction that it came in.

use sea_orm::DbErr;

use super::{ErrorFacts, READERS, Signal, code, driver, facts, signal};
use crate::vocabulary::Role;

/// Whether a server has rolled the transaction back because of others beside it: as not serializable, or in a deadlock.
#[must_use]
pub(crate) fn is_serialization(error: &DbErr) -> bool {
    let driver = driver::sqlx_of(error);
    driver.is_some_and(|driver| signal(driver, Role::Primary) == Signal::Serialization)
}

/// SQLSTATE of every statement in a transaction that PostgreSQL has aborted.
const IN_FAILED_TRANSACTION: &str = "25P02";

/// Whether a server refuses every statement of the transaction because of an error before.
#[must_use]
pub(crate) fn is_in_aborted_transaction(error: &DbErr) -> bool {
    code(error).as_deref() == Some(IN_FAILED_TRANSACTION)
}

/// Whether a server has ended the transaction with an answer, so that what is sent next would run outside of it.
#[cfg_attr(
    not(feature = "mysql"),
    allow(
        dead_code,
        reason = "only MariaDB's and MySQL's servers end one with an answer"
    )
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndsTransaction {
    No,
    /// An option of the server's decides, and the answer is the same.
    Untold,
    Surely,
}

/// Whether a server has ended the transaction with this answer.
#[must_use]
pub(crate) fn ends_transaction(error: &DbErr) -> EndsTransaction {
    match driver::sqlx_of(error).map(facts) {
        Some(ErrorFacts::Server(answer)) => READERS
            .iter()
            .find(|reader| reader.dialect == answer.dialect)
            .map_or(EndsTransaction::No, |reader| {
                (reader.ends_transaction)(&answer)
            }),
        _ => EndsTransaction::No,
    }
}
