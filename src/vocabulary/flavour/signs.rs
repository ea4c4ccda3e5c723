//! By what a system is recognised.
//!
//! The version first: each of those that are no PostgreSQL says so there. Extensions and settings tell what is a
//! PostgreSQL with something beside it.

use super::Flavour;

/// What a server said that tells which system it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs<'a> {
    /// The text of `version()`.
    pub(crate) version: &'a str,
    /// `aurora_version()` answers. It stands in no catalog.
    pub(crate) aurora: bool,
    /// The extension `citus` is installed.
    pub(crate) citus: bool,
    /// The setting `neon.timeline_id` is there.
    pub(crate) neon: bool,
    /// The setting `alloydb.iam_authentication` is there.
    pub(crate) alloydb: bool,
}

impl Signs<'_> {
    /// What a server that says this is. What nothing is known of is taken for PostgreSQL.
    pub(crate) fn flavour(self) -> Flavour {
        if let Some(everywhere) = by_version(self.version) {
            return everywhere;
        }
        let signs = [
            (self.aurora, Flavour::Aurora),
            (self.neon, Flavour::Neon),
            (self.alloydb, Flavour::AlloyDb),
            // Last: it is an extension, and others may have it.
            (self.citus, Flavour::Citus),
        ];
        let sign = signs.into_iter().find(|(there, _)| *there);
        sign.map_or(Flavour::Postgres, |(_, flavour)| flavour)
    }
}

/// `CockroachDB CCL v25.2.1 (…)`; `PostgreSQL 15.12-YB-2025.1.0.0-b0 on …`.
fn by_version(version: &str) -> Option<Flavour> {
    if version.starts_with("CockroachDB ") {
        return Some(Flavour::CockroachDb);
    }
    let number = version.strip_prefix("PostgreSQL ")?.split(' ').next()?;
    number.contains("-YB-").then_some(Flavour::YugabyteDb)
}
