//! What a user may set about judging, and the limits.

use std::collections::{BTreeSet, HashSet};

/// Limits and the user's lists of functions.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    read: HashSet<String>,
    primary: HashSet<String>,
    /// Settings that are set wherever a text that is judged by these runs (rule R11).
    local: BTreeSet<String>,
    max_statement: usize,
    cached_statement: usize,
    cache_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read: HashSet::new(),
            primary: HashSet::new(),
            local: BTreeSet::new(),
            // Judging costs about 13 ns a byte: 7 ms for a list of 65 535 parameters, which are half of it.
            max_statement: 1024 * 1024,
            // A longer one is kept by its digest: it would take the room of hundreds.
            cached_statement: 16 * 1024,
            // About 10 000 texts of 250 bytes.
            cache_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Settings {
    /// The functions that the user calls harmless, `name` or `schema.name`.
    #[must_use]
    pub(crate) fn read_functions<S: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        self.read = names.into_iter().map(|name| clean(name.as_ref())).collect();
        self
    }

    /// The functions that need the primary, `name` or `schema.name`: they win over every allowance.
    #[must_use]
    pub(crate) fn primary_functions<S: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        self.primary = names.into_iter().map(|name| clean(name.as_ref())).collect();
        self
    }

    /// The longest text that is judged.
    #[must_use]
    pub(crate) fn max_statement(mut self, bytes: usize) -> Self {
        self.max_statement = bytes;
        self
    }

    /// The longest text that is cached as it is.
    #[must_use]
    pub(crate) fn cached_statement(mut self, bytes: usize) -> Self {
        self.cached_statement = bytes;
        self
    }

    /// What the cache may hold, its own overhead included.
    #[must_use]
    pub(crate) fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The settings that are set wherever a text runs, in lower case.
    #[must_use]
    pub(crate) fn with_local<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Self {
        let local = names.into_iter().map(|name| name.as_ref().to_owned());
        Self {
            local: local.collect(),
            ..self.clone()
        }
    }

    /// The settings that are set wherever a text runs.
    pub(crate) fn local(&self) -> &BTreeSet<String> {
        &self.local
    }

    /// Whether this setting is set wherever a text runs. The server compares names of settings without their case.
    pub(crate) fn is_local(&self, name: &str) -> bool {
        !self.local.is_empty() && self.local.contains(&name.to_ascii_lowercase())
    }

    pub(crate) fn longest_parsed(&self) -> usize {
        self.max_statement
    }

    pub(crate) fn longest_cached(&self) -> usize {
        self.cached_statement
    }

    pub(crate) fn cache_budget(&self) -> usize {
        self.cache_bytes
    }

    /// Whether the user denies this function.
    pub(crate) fn denies(&self, schema: Option<&str>, name: &str) -> bool {
        listed(&self.primary, schema, name)
    }

    /// Whether the user allows this function and does not deny it.
    pub(crate) fn allows(&self, schema: Option<&str>, name: &str) -> bool {
        listed(&self.read, schema, name) && !self.denies(schema, name)
    }
}

fn clean(name: &str) -> String {
    name.trim().trim_end_matches("()").to_lowercase()
}

/// A bare name in a list stands for the function in every schema. An unqualified call of a name that is listed with a
/// schema is met as well: the list must not depend on how the caller spells the call.
fn listed(list: &HashSet<String>, schema: Option<&str>, name: &str) -> bool {
    if list.is_empty() {
        return false;
    }
    let name = name.to_lowercase();
    if list.contains(&name) {
        return true;
    }
    match schema {
        Some(schema) => list.contains(&format!("{}.{name}", schema.to_lowercase())),
        None => list
            .iter()
            .any(|item| item.rsplit_once('.').is_some_and(|(_, last)| last == name)),
    }
}
