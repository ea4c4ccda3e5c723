//! Keeps what is known of the server's catalog fresh: read at start, after DDL of our own, and every
//! `SEALANE_CATALOG_REFRESH`, because others do DDL too (rule I5).
//!
//! It is the primary's. Only a cluster that started without its primary reads a replica's, or every read would be
//! refused for not being known as one; what is found there is provisional, and never believed after DDL of our own.
//!
//! One reading at a time. One that was asked for while another ran may have seen too little of it, so it runs again
//! afterwards, and what the first one found is not believed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::WeakUnboundedSender;

use super::{
    shared::Shared,
    worker::{Message, tell},
};
use crate::{
    backend,
    intent::{Knowledge, Summary, catalog::Catalog},
    node::Node,
    words::{Intent, Role},
};

/// After a failed reading the next one waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct CatalogReader {
    /// Only a real server has a catalog to read.
    wanted: bool,
    every: Option<Duration>,
    next: Option<Instant>,
    reading: bool,
    again: bool,
    /// What is known comes from a replica.
    provisional: bool,
    /// There was DDL of our own that no reading has seen: a replica's catalog may lack it.
    changed: bool,
}

impl CatalogReader {
    pub(super) fn new(every: Option<Duration>, wanted: bool, read: bool) -> Self {
        let now = Instant::now();
        let next = if read {
            every.map(|every| now + every)
        } else {
            Some(now)
        };
        Self {
            wanted,
            every,
            next: next.filter(|_| wanted),
            reading: false,
            again: false,
            provisional: false,
            changed: false,
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.reading)
    }

    pub(super) fn is_due(&self) -> bool {
        self.next_due().is_some_and(|next| next <= Instant::now())
    }

    /// Whether the primary's own is still to be read.
    pub(super) fn is_provisional(&self) -> bool {
        self.provisional && !self.reading
    }

    /// There was DDL of our own.
    pub(super) fn schema_changed(&mut self) {
        self.changed = true;
    }

    /// Reads the primary's now, or once more when the reading that runs has ended.
    pub(super) fn read(&mut self, shared: &Arc<Shared>, outbox: &WeakUnboundedSender<Message>) {
        self.begin(shared.primary_node(), Role::Primary, (shared, outbox));
    }

    /// Reads a replica's, where that may do.
    pub(super) fn read_from(
        &mut self,
        replica: &Arc<Node>,
        shared: &Arc<Shared>,
        outbox: &WeakUnboundedSender<Message>,
    ) {
        if self.changed {
            self.read(shared, outbox);
        } else {
            self.begin(Some(Arc::clone(replica)), Role::Replica, (shared, outbox));
        }
    }

    fn begin(
        &mut self,
        node: Option<Arc<Node>>,
        role: Role,
        (shared, outbox): (&Arc<Shared>, &WeakUnboundedSender<Message>),
    ) {
        if !self.wanted {
            return;
        }
        if self.reading {
            self.again = true;
            return;
        }
        self.reading = true;
        self.next = None;
        let settings = shared.classifier.settings().clone();
        let limit = shared.config.acquire_timeout;
        let outbox = outbox.clone();
        tokio::spawn(async move {
            let reading = async {
                let Some(node) = node else {
                    return Err("there is no primary".to_owned());
                };
                let read = backend::read_catalog(&node, &settings).await;
                read.map_err(|err| err.to_string())
            };
            let read = tokio::time::timeout(limit, reading).await;
            let read = read.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
            tell(&outbox, Message::CatalogRead(role, read));
        });
    }

    /// A reading has ended. True when another is to begin at once.
    pub(super) fn ended(
        &mut self,
        shared: &Shared,
        role: Role,
        read: Result<Catalog, String>,
    ) -> bool {
        self.reading = false;
        if std::mem::take(&mut self.again) || (self.changed && role != Role::Primary) {
            return true;
        }
        match read {
            Ok(catalog) => {
                shared.classifier.learn(Knowledge::Known(Arc::new(catalog)));
                shared.learned.send_replace(());
                self.provisional = role != Role::Primary;
                self.changed = false;
                self.next = self.every.map(|every| Instant::now() + every);
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "the catalog could not be read: what is not built in goes to the primary until it can"
                );
                self.next = Some(Instant::now() + RETRY_AFTER);
            }
        }
        false
    }
}

impl Shared {
    /// The verdict on a text that is refused where it is no read, once everything that will soon be known is known:
    /// after DDL of our own the catalog is being read again, and a name that the catalog lacks may be new.
    pub(crate) async fn settled_verdict(
        &self,
        sql: &str,
        verdict: Summary,
        deadline: Instant,
    ) -> Summary {
        if verdict.intent != Intent::Primary || !self.classifier.awaits_catalog() {
            return verdict;
        }
        let mut learned = self.learned.subscribe();
        while self.classifier.awaits_catalog() {
            let news = tokio::time::timeout_at(deadline.into(), learned.changed()).await;
            if !matches!(news, Ok(Ok(()))) {
                break;
            }
        }
        self.classifier.verdict(sql)
    }
}
