//! Views and policies that read settings: harmless where each of them is set wherever a text runs (rule R11).

use std::collections::HashSet;

use super::{Closure, UseRow};
use crate::intent::catalog::rows::{CatalogRows, SettingRow};
use crate::intent::local;
use crate::intent::settings::Settings;

impl Closure<'_> {
    /// Whether this use is the reading of a setting that is set wherever the text runs (rule R11).
    pub(super) fn reads_local(&self, used: &UseRow) -> bool {
        used.class == "relation"
            && used.target_schema == "pg_catalog"
            && used.target_name == local::READER
            && self.relations.local.contains(&used.id)
    }
}

/// The relations whose views and policies read settings, each of them one that is set wherever a text runs.
pub(super) fn readers_of_local(rows: &CatalogRows, settings: &Settings) -> HashSet<i64> {
    let is_local = |row: &SettingRow| row.name().is_some_and(|name| settings.is_local(&name));
    let denied = settings.denies(Some("pg_catalog"), local::READER);
    let (mut readers, mut others) = (HashSet::new(), HashSet::new());
    for row in &rows.settings {
        match !denied && is_local(row) {
            true => readers.insert(row.id),
            false => others.insert(row.id),
        };
    }
    readers.difference(&others).copied().collect()
}
