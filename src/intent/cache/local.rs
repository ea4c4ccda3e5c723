//! Judging for handles with settings of their own (rule R11).
//!
//! A set of names has a judge of its own, with its own cache and its own view of the catalog: whether a view or a function
//! is harmless depends on what is set, through all that it rests on. To keep that beside each object, for every set of
//! names, was rejected: whoever sets nothing would carry it too.

use std::sync::atomic::Ordering;

use sea_orm::DbBackend;

use super::super::{ending, knowledge::Knowledge};
use super::Classifier;

impl Classifier {
    /// A judge of its own for texts that run where these settings are set. It knows nothing of the server yet.
    pub(crate) fn with_local(&self, backend: DbBackend, names: &[&str]) -> Self {
        let known = match **self.knowledge.load() {
            Knowledge::Trusted => Knowledge::Trusted,
            _ => Knowledge::Awaited,
        };
        let other = Self::new(backend, self.settings.with_local(names), known);
        let strange = self.strange_strings.load(Ordering::Acquire);
        other.strange_strings.store(strange, Ordering::Release);
        other
    }

    /// Whether the text surely leaves the transaction open that it runs in.
    pub(crate) fn leaves_open(&self, sql: &str) -> bool {
        let understood = !self.distrusts(sql) || !ending::has_word(sql);
        understood
            && self
                .dialect
                .is_some_and(|dialect| !ending::ends(dialect, sql))
    }
}
