//! How knowledge comes and goes.
//!
//! A change of the schema takes back what it may have touched, at once; a reading that began after the change gives it
//! back. What changed while it ran stays in doubt, so that however often the schema changes, each reading tells something.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::super::catalog::Catalog;
use super::super::change::Change;
use super::super::doubt::Doubt;
use super::super::knowledge::Knowledge;
use super::{Classifier, Doubts};

impl Classifier {
    /// Replaces what is known of the server; verdicts that rest on the old knowledge are not used again.
    pub(crate) fn learn(&self, knowledge: Knowledge) {
        self.knowledge.store(Arc::new(knowledge));
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The schema has changed. Whether that is worth a reading at once.
    pub(crate) fn doubt(&self, change: &Change) -> bool {
        let mut doubts = self.doubts();
        let was = doubts.since.clone();
        doubts.since.add(change);
        if doubts.since != was {
            let known = self.knowledge.load().catalog().cloned();
            if let Some(catalog) = known {
                self.believe(catalog, &doubts);
            }
        }
        !matches!(change, Change::Nothing | Change::Perhaps)
    }

    /// A reading of the primary is about to be sent: it will see what changed up to now.
    pub(crate) fn reading_begins(&self) {
        let mut doubts = self.doubts();
        let since = std::mem::take(&mut doubts.since);
        doubts.before.merge(&since);
    }

    /// A reading has ended well. Whether it told something new.
    pub(crate) fn has_read(&self, catalog: Catalog) -> bool {
        let mut doubts = self.doubts();
        let doubted = !doubts.before.is_empty();
        doubts.before = Doubt::default();
        let known = self.knowledge.load().catalog().cloned();
        match known {
            Some(same) if *same == catalog => {
                // Verdicts stay as good as they were.
                if doubted {
                    self.believe(same, &doubts);
                }
                false
            }
            _ => {
                self.believe(Arc::new(catalog), &doubts);
                true
            }
        }
    }

    fn believe(&self, catalog: Arc<Catalog>, doubts: &Doubts) {
        let mut doubt = doubts.before.clone();
        doubt.merge(&doubts.since);
        self.learn(match doubt.is_empty() {
            true => Knowledge::Known(catalog),
            false => Knowledge::Doubted(catalog, Arc::new(doubt)),
        });
    }

    fn doubts(&self) -> MutexGuard<'_, Doubts> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether verdicts are stricter than they will be, because the catalog is to be read (again).
    pub(crate) fn awaits_catalog(&self) -> bool {
        matches!(
            **self.knowledge.load(),
            Knowledge::Awaited | Knowledge::Doubted(..)
        )
    }

    /// Whether nothing of the user's is known at all.
    pub(crate) fn knows_nothing(&self) -> bool {
        matches!(**self.knowledge.load(), Knowledge::Awaited)
    }
}
