//! What telemetry says of texts, for one cluster; summaries are kept, since the same few texts come again and again.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::Arc;

use sea_orm::DbBackend;

use super::dialect::Dialect;
use super::shown::shown;
use super::summary::{procedure, summary};

/// How many summaries are kept; above that the memory starts anew.
const KEPT: usize = 4096;

/// Summaries by text. An entry is found by a keyed hash of its text: a wrong one would take 2^32 texts.
#[derive(Debug)]
pub(crate) struct Summaries {
    dialect: Option<Dialect>,
    known: papaya::HashMap<u64, Option<Arc<str>>, foldhash::fast::RandomState>,
    hasher: foldhash::fast::RandomState,
}

impl Summaries {
    pub(crate) fn new(backend: DbBackend) -> Self {
        Self {
            dialect: Dialect::of(backend),
            known: papaya::HashMap::default(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// The text in a few words, as [`summary`] says it.
    pub(crate) fn of(&self, sql: &str) -> Option<Arc<str>> {
        let dialect = self.dialect?;
        let key = self.hasher.hash_one(sql);
        let known = self.known.pin();
        if let Some(found) = known.get(&key) {
            return found.clone();
        }
        if known.len() >= KEPT {
            known.clear();
        }
        let made: Option<Arc<str>> = summary(dialect, sql).map(Into::into);
        known.insert(key, made.clone());
        made
    }

    /// The text without its values, as [`shown`] gives it.
    pub(crate) fn shown<'a>(&self, sql: &'a str, bound: bool) -> Option<Cow<'a, str>> {
        shown(self.dialect?, sql, bound)
    }

    /// The procedure that the text calls.
    pub(crate) fn procedure<'a>(&self, sql: &'a str) -> Option<&'a str> {
        procedure(self.dialect?, sql)
    }
}
