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
    /// The signs that stand for something else where a session reads strings in another way than the judge: what is between
    /// them, and with that whole statements. A text without one of them means the same everywhere.
    pub(super) const fn signs_of_strings(self) -> &'static [char] {
        match self {
            // `standard_conforming_strings=off`.
            Self::Postgres => &['\\'],
            // `NO_BACKSLASH_ESCAPES` and `ANSI_QUOTES`.
            Self::MySql => &['\\', '"'],
            Self::Sqlite => &[],
        }
    }

    /// Why a text with such a sign is not judged, for whoever asks.
    pub(super) const fn strange_strings(self) -> &'static str {
        match self {
            Self::Postgres => "a backslash, and standard_conforming_strings is off",
            Self::MySql => "a backslash or a double quote, and sql_mode says that it is none",
            Self::Sqlite => "",
        }
    }

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
