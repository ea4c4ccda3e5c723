//! The three languages that are judged.
//!
//! SeaORM's enum is closed by its features, ours is closed by what this crate understands: a backend that is not here is
//! never judged a read.

use sea_orm::DbBackend;

/// Whose grammar a text is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    Sqlite,
}

impl Dialect {
    pub(crate) fn of(backend: DbBackend) -> Option<Self> {
        match backend {
            DbBackend::Postgres => Some(Self::Postgres),
            DbBackend::MySql => Some(Self::MySql),
            DbBackend::Sqlite => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// A name as the server compares it: PostgreSQL folds what is not quoted, the others compare names of functions
    /// and relations without case (MySQL's case-sensitive table names fold together, which can only raise an intent).
    pub(crate) fn fold(self, name: &str, quoted: bool) -> String {
        match self {
            Self::Postgres if quoted => name.to_owned(),
            Self::Postgres | Self::MySql | Self::Sqlite => {
                let folded = name.to_lowercase();
                // The Kelvin sign is no `k` to a server: the name is none of its own functions.
                if folded.is_ascii() && !name.is_ascii() {
                    return name.to_owned();
                }
                folded
            }
        }
    }
}
