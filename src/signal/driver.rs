//! The driver's error inside of SeaORM's.

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::{DbErr, RuntimeErr};

/// The driver's error, where SeaORM's carries one.
pub(super) fn sqlx_of(error: &DbErr) -> Option<&SqlxError> {
    let (DbErr::Conn(error) | DbErr::Exec(error) | DbErr::Query(error)) = error else {
        return None;
    };
    match error {
        RuntimeErr::SqlxError(error) => Some(error),
        // Not exhaustive on purpose: other features of SeaORM add variants.
        #[allow(unreachable_patterns)]
        _ => None,
    }
}
