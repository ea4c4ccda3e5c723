//! What statements judge texts by, and what they know of the readings of the server's catalog (rule I5).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::{
    intent::{Classifier, catalog::Catalog},
    state::{Moment, Reading},
};

/// What statements judge texts by, and what they know of the readings.
pub(crate) struct Judging {
    pub(crate) classifier: Classifier,
    /// A server with a catalog is behind it.
    pub(super) reads_catalog: bool,
    /// Tells waiters that the catalog was read.
    pub(super) learned: watch::Sender<()>,
    /// Somebody wished for a reading, and that was passed on.
    pub(super) wished: AtomicBool,
    /// When a wish will be heard, in milliseconds after the cluster's start.
    pub(super) heard_at: AtomicU64,
}

impl Judging {
    pub(super) fn new(classifier: Classifier, reads_catalog: bool) -> Self {
        Self {
            classifier,
            reads_catalog,
            learned: watch::Sender::new(()),
            wished: AtomicBool::new(false),
            heard_at: AtomicU64::new(0),
        }
    }

    /// A server with a catalog is behind it.
    pub(super) fn reads_catalog(&self) -> bool {
        self.reads_catalog
    }
}

impl Judging {
    /// Takes what was read, if it is believed.
    pub(super) fn take(&self, read: Result<Box<Catalog>, String>, believed: bool) -> Reading {
        let catalog = match read {
            Ok(catalog) if believed => catalog,
            Ok(_) => return Reading::Known,
            Err(error) => {
                tracing::warn!(
                    error,
                    "the server's catalog could not be read again: statements that name what is new or changed go to the primary until it can be"
                );
                return Reading::Failed;
            }
        };
        if self.classifier.knows_nothing() {
            say_unlisted(&catalog);
        }
        let new = self.classifier.has_read(*catalog);
        self.learned.send_replace(());
        match new {
            true => Reading::New,
            false => Reading::Known,
        }
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
