//! How the server's catalog is read, and what statements that need it wait for (rule I5). When, and from whom, the
//! reducer says (`state::catalog`).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use futures_util::FutureExt;

use super::{
    inbox::{StatementNews, TaskInbox, TaskReport},
    judging::Catalogs,
    shared::Shared,
};
use crate::{
    backend::{self, CatalogParts},
    intent::{Change, Classification, Classifier},
    node::Node,
    vocabulary::Role,
};

/// Reads the catalog from this node, in a task of its own and on a connection of its own, so that it is in no statement's
/// way.
pub(super) fn read(node: Option<Arc<Node>>, role: Role, shared: &Arc<Shared>, outbox: &TaskInbox) {
    // Who sets settings later is known to the next reading.
    let locals = shared.judging.locals();
    if role == Role::Primary {
        shared.judging.classifier.reading_begins();
        locals.iter().for_each(|local| local.reading_begins());
    }
    let reader = Arc::clone(shared);
    let limit = shared.config.acquire_timeout;
    let outbox = outbox.clone();
    let asked = node
        .as_ref()
        .map(|node| Arc::clone(&node.name))
        .unwrap_or_default();
    tokio::spawn(
        async move {
            let reading = async {
                let Some(node) = node else {
                    return Err("there is no primary".to_owned());
                };
                let parts = match locals.is_empty() {
                    true => CatalogParts::Usual,
                    false => CatalogParts::WithSettings,
                };
                let read = backend::read_catalog(&node, Some(&reader.config), parts).await;
                let read =
                    read.map_err(|err| format!("{}: {}", node.name, crate::signal::told(&err)))?;
                let catalog = read.catalog(reader.judging.classifier.settings());
                let of = |local: Arc<Classifier>| {
                    let catalog = read.catalog(local.settings());
                    (local, catalog)
                };
                let locals = locals.into_iter().map(of).collect();
                Ok(Catalogs { catalog, locals })
            };
            let read = tokio::time::timeout(limit, reading).await;
            let read = read.unwrap_or_else(|_| {
                let limit = reader.config.setting("acquire_timeout");
                Err(format!("{asked}: no answer within {limit}"))
            });
            outbox.send(TaskReport::CatalogRead(role, read.map(Box::new)));
        }
        .boxed(),
    );
}

impl Shared {
    /// The schema may have changed: what that may have touched is not believed until it has been read again (rule I5).
    pub(crate) fn schema_changed(&self, change: &Change) {
        if !self.judging.reads_catalog || change.is_nothing() {
            return;
        }
        for local in self.judging.locals() {
            local.doubt(change);
        }
        match self.judging.classifier.doubt(change) {
            true => self.tell(StatementNews::SchemaChanged),
            false => self.wish_catalog(),
        }
    }

    /// Some text goes to the primary for a name that the catalog lacks: another process may have made it since.
    pub(crate) fn wish_catalog(&self) {
        let wished = &self.judging.wished;
        // Nearly always it was said already.
        if self.judging.reads_catalog
            && !wished.load(Ordering::Acquire)
            && !wished.swap(true, Ordering::AcqRel)
        {
            self.tell(StatementNews::WishCatalog);
        }
    }

    /// The verdict on a text that is refused where it is no read, once everything that will soon be known is known:
    /// after DDL of our own the catalog is being read again, and a name that it lacks may be new.
    pub(crate) async fn settled_verdict(
        &self,
        classifier: &Classifier,
        sql: &str,
        verdict: Classification,
        deadline: Instant,
    ) -> Classification {
        if !verdict.unknown || !self.judging.reads_catalog {
            return verdict;
        }
        let mut learned = self.judging.learned.subscribe();
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let waits =
            !classifier.awaits_catalog() && self.judging.heard_at.load(Ordering::Acquire) <= now;
        if waits {
            self.wish_catalog();
        }
        let mut waits = waits;
        while std::mem::take(&mut waits) || classifier.awaits_catalog() {
            let news = tokio::time::timeout_at(deadline.into(), learned.changed()).await;
            if !matches!(news, Ok(Ok(()))) {
                break;
            }
            if !classifier.verdict(sql).unknown {
                break;
            }
        }
        classifier.verdict(sql)
    }
}
