//! What statements judge texts by, and what they know of the readings of the server's catalog (rule I5).

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sea_orm::DbBackend;
use tokio::sync::watch;

use crate::{
    intent::{Classifier, catalog::Catalog},
    state::{Moment, Reading},
};

/// How many sets of names there may be: each has its own cache of verdicts, and its own view of the catalog.
const MOST_SETS: usize = 16;

/// The catalog of one reading, as each judge of texts has to see it.
pub(crate) struct Catalogs {
    pub(super) catalog: Catalog,
    pub(super) locals: Vec<(Arc<Classifier>, Catalog)>,
}

/// What statements judge texts by, and what they know of the readings.
pub(crate) struct Judging {
    pub(crate) classifier: Classifier,
    /// The judges of handles with settings of their own, one for each set of names (rule R11).
    locals: Mutex<Vec<Arc<Classifier>>>,
    /// A server with a catalog is behind it.
    pub(super) reads_catalog: bool,
    /// Tells waiters that the catalog was read.
    pub(super) learned: watch::Sender<()>,
    /// Somebody wished for a reading, and that was passed on.
    pub(super) wished: AtomicBool,
    /// When a wish will be heard, in milliseconds after the cluster's start.
    pub(super) heard_at: AtomicU64,
    /// Why the last reading failed: each second there is another one, and the same is not told twice.
    failure: Mutex<Option<String>>,
}

impl Judging {
    pub(super) fn new(classifier: Classifier, reads_catalog: bool) -> Self {
        Self {
            classifier,
            locals: Mutex::default(),
            reads_catalog,
            learned: watch::Sender::new(()),
            wished: AtomicBool::new(false),
            heard_at: AtomicU64::new(0),
            failure: Mutex::default(),
        }
    }

    /// A server with a catalog is behind it.
    pub(super) fn reads_catalog(&self) -> bool {
        self.reads_catalog
    }
}

impl Judging {
    /// The judge of texts that run where these settings are set, in the order of their names; none when there are too
    /// many sets already.
    pub(crate) fn local(&self, backend: DbBackend, names: &[&str]) -> Option<Arc<Classifier>> {
        let mut locals = self.locals.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |local: &&Arc<Classifier>| {
            let known = local.settings().local();
            known.len() == names.len() && names.iter().all(|name| known.contains(*name))
        };
        if let Some(known) = locals.iter().find(is_it) {
            return Some(Arc::clone(known));
        }
        if locals.len() >= MOST_SETS {
            return None;
        }
        let new = Arc::new(self.classifier.with_local(backend, names));
        locals.push(Arc::clone(&new));
        Some(new)
    }

    /// The judges of all sets of names.
    pub(super) fn locals(&self) -> Vec<Arc<Classifier>> {
        let locals = self.locals.lock().unwrap_or_else(PoisonError::into_inner);
        locals.clone()
    }

    /// Texts whose strings some session reads otherwise are judged nowhere from now on; whether that is new.
    pub(super) fn distrust_strings(&self) -> bool {
        let new = self.classifier.distrust_strings();
        for local in self.locals() {
            local.distrust_strings();
        }
        new
    }

    /// Takes what was read, if it is believed.
    pub(super) fn take(&self, read: Result<Box<Catalogs>, String>, believed: bool) -> Reading {
        let Catalogs { catalog, locals } = match read {
            Ok(catalogs) if believed => *catalogs,
            Ok(_) => return Reading::Known,
            Err(error) => {
                self.say_failed(error);
                return Reading::Failed;
            }
        };
        *self.failure() = None;
        if self.classifier.knows_nothing() {
            say_unlisted(&catalog);
        }
        let new = self.classifier.has_read(catalog);
        for (local, catalog) in locals {
            local.has_read(catalog);
        }
        self.learned.send_replace(());
        match new {
            true => Reading::New,
            false => Reading::Known,
        }
    }

    fn say_failed(&self, error: String) {
        if self.is_news(&error) {
            tracing::warn!(
                error,
                "the server's catalog could not be read again: statements that name what is new or changed go to the primary until it can be"
            );
        }
    }

    /// Whether the last reading had not failed for this reason; it has, then.
    fn is_news(&self, error: &str) -> bool {
        let mut last = self.failure();
        let new = last.as_deref() != Some(error);
        if new {
            *last = Some(error.to_owned());
        }
        new
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wishes are heard again, from this moment on.
    pub(super) fn hear_wishes(&self, from: Moment) {
        let from = u64::try_from(from.0.as_millis()).unwrap_or(u64::MAX);
        self.heard_at.store(from, Ordering::Release);
        self.wished.store(false, Ordering::Release);
    }
}

/// What an extension costs is said once, when the catalog is read for the first time.
pub(super) fn say_unlisted(catalog: &Catalog) {
    if catalog.unlisted.is_empty() {
        return;
    }
    let names: Vec<&str> = catalog.unlisted.iter().map(String::as_str).collect();
    tracing::info!(
        extensions = names.join(", "),
        "it is not known that the functions of these extensions are harmless: statements that call them go to the \
         primary; vouch for those that any node may run by SEALANE_READ_FUNCTIONS"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::{Knowledge, Settings};

    #[test]
    fn a_reason_is_told_once_until_it_changes_or_a_reading_succeeds() {
        let (settings, knowledge) = (Settings::default(), Knowledge::default());
        let classifier = Classifier::new(DbBackend::Postgres, settings, knowledge);
        let judging = Judging::new(classifier, true);
        let told = ["refused", "refused", "too late", "refused"].map(|why| judging.is_news(why));
        assert_eq!(told, [true, false, true, true]);
        let read = Catalogs {
            catalog: Catalog::default(),
            locals: Vec::new(),
        };
        judging.take(Ok(Box::new(read)), true);
        assert!(judging.is_news("refused"));
    }
}
