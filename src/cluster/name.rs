//! What a cluster is called in metrics and log lines.
//!
//! Metrics of two clusters under one name would overwrite each other, so a name belongs to one cluster at a time: a
//! second one of the same process gets a number behind it. The name is free again when the cluster is closed or dropped, so
//! a program that reconnects goes on with its series. Free with the drop alone was rejected: tasks hold a cluster for a while
//! after its last handle.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The names in use in this process.
static NAMES: LazyLock<Mutex<BTreeSet<Arc<str>>>> = LazyLock::new(Mutex::default);

/// A name that no other cluster of this process has while this lives and was not released.
#[derive(Debug)]
pub(crate) struct ClusterName {
    name: Arc<str>,
    released: AtomicBool,
}

impl ClusterName {
    /// Takes this name, or the first of `name-2`, `name-3`, … that nobody has.
    pub(crate) fn claim(wanted: &str) -> Self {
        let mut names = names();
        let numbered = (2_u64..).map(|number| format!("{wanted}-{number}"));
        let mut free = std::iter::once(wanted.to_owned()).chain(numbered);
        let name = free.find(|name| !names.contains(name.as_str()));
        let name: Arc<str> = name.unwrap_or_else(|| wanted.to_owned()).into();
        names.insert(Arc::clone(&name));
        Self {
            name,
            released: AtomicBool::new(false),
        }
    }

    /// Lets others have the name: this cluster tells nothing more under it.
    pub(crate) fn release(&self) {
        // Once: another one may have it since.
        if !self.released.swap(true, Ordering::AcqRel) {
            names().remove(&self.name);
        }
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// What every log line of the cluster's own tasks stands in. At the level of errors, so that a filter which lets a
    /// line through lets its cluster through; under nobody's span, since it outlives whoever connects.
    pub(crate) fn span(&self) -> tracing::Span {
        tracing::error_span!(parent: None, "sealane", cluster = &*self.name)
    }
}

impl Drop for ClusterName {
    fn drop(&mut self) {
        self.release();
    }
}

fn names() -> MutexGuard<'static, BTreeSet<Arc<str>>> {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::ClusterName;

    #[test]
    fn a_name_belongs_to_one_cluster_at_a_time() {
        let one = ClusterName::claim("a-name-of-this-test");
        let two = ClusterName::claim("a-name-of-this-test");
        assert_eq!(one.as_str(), "a-name-of-this-test");
        assert_eq!(two.as_str(), "a-name-of-this-test-2");
        drop(one);
        let again = ClusterName::claim("a-name-of-this-test");
        assert_eq!(again.as_str(), "a-name-of-this-test");
    }

    #[test]
    fn a_name_that_was_released_belongs_to_the_next_one_alone() {
        let closed = ClusterName::claim("a-name-that-is-released");
        closed.release();
        let next = ClusterName::claim("a-name-that-is-released");
        assert_eq!(next.as_str(), "a-name-that-is-released");
        drop(closed);
        let third = ClusterName::claim("a-name-that-is-released");
        assert_eq!(third.as_str(), "a-name-that-is-released-2");
    }
}
