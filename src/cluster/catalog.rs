//! Keeps what is known of the server's catalog fresh: read at start, after DDL of our own, and every
//! `SEALANE_CATALOG_REFRESH`, because others do DDL too (rule I5). A name that it lacks asks for a reading as well.
//!
//! It is the primary's. Only a cluster that started without its primary reads a replica's, or every read would be
//! refused for not being known as one; what is found there is provisional, and never believed after DDL of our own.
//!
//! One reading at a time, on a connection of its own, so that it is in no statement's way, and then a rest that grows
//! with what the reading took. What changed while it ran stays in doubt until the next one. Reading again at once, until
//! one was disturbed by nothing, kept a busy schema's catalog unknown for ever, and the primary busy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    inbox::{StatementNews, TaskInbox, TaskReport},
    shared::Shared,
};
use crate::{
    backend,
    intent::{Change, Classifier, Summary, catalog::Catalog},
    node::Node,
    vocabulary::Role,
};

/// After a failed reading the next one waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// After DDL of our own, it rests for so many times what the last one took.
const REST: u32 = 4;

/// After DDL of our own, the longest rest.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// What is only wished for waits so long after the last reading; in vain, twice as long the next time.
const WISH_EVERY: Duration = Duration::from_secs(2);
const WISH_SELDOM: Duration = Duration::from_secs(60);

/// What statements judge texts by, and what they know of the readings.
pub(crate) struct Judging {
    pub(crate) classifier: Classifier,
    /// A server with a catalog is behind it.
    reads_catalog: bool,
    /// Tells waiters that the catalog was read.
    learned: watch::Sender<()>,
    /// Somebody wished for a reading, and that was passed on.
    wished: AtomicBool,
    /// When a wish will be heard, in milliseconds after the cluster's start.
    heard_at: AtomicU64,
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

#[derive(Debug)]
pub(super) struct CatalogReader {
    /// Only a real server has a catalog to read.
    wanted: bool,
    every: Option<Duration>,
    next: Option<Instant>,
    /// Since when one runs.
    reading: Option<Instant>,
    /// How long the next one rests after the last.
    rests_until: Option<Instant>,
    /// How long the next reading rests after the last, where it is only wished for.
    wish_gap: Duration,
    wishes_from: Option<Instant>,
    by_wish: bool,
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
            reading: None,
            rests_until: None,
            wish_gap: WISH_EVERY,
            wishes_from: None,
            by_wish: false,
            again: false,
            provisional: false,
            changed: false,
        }
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next.filter(|_| self.reading.is_none())
    }

    pub(super) fn is_due(&self) -> bool {
        self.next_due().is_some_and(|next| next <= Instant::now())
    }

    /// Whether the primary's own is still to be read.
    pub(super) fn is_provisional(&self) -> bool {
        self.provisional && self.reading.is_none()
    }

    /// There was DDL of our own: the next reading begins as soon as it may.
    pub(super) fn schema_changed(&mut self) {
        self.changed = true;
        match self.reading {
            Some(_) => self.again = true,
            None => self.no_later_than(self.rests_until),
        }
    }

    /// Another reading may tell something that somebody asked for. One that runs may tell it, too.
    pub(super) fn wish(&mut self) {
        if self.reading.is_none() {
            self.by_wish |= self
                .next
                .is_none_or(|next| next > Instant::now() + WISH_EVERY);
            self.no_later_than(self.wishes_from);
        }
    }

    fn no_later_than(&mut self, at: Option<Instant>) {
        let at = at.unwrap_or_else(Instant::now);
        let next = self.next.map_or(at, |next| next.min(at));
        self.next = Some(next).filter(|_| self.wanted);
    }

    /// Reads the primary's now.
    pub(super) fn read(&mut self, shared: &Arc<Shared>, outbox: &TaskInbox) {
        self.begin(
            shared.snapshot.primary_node(),
            Role::Primary,
            shared,
            outbox,
        );
    }

    /// Reads a replica's, where that may do.
    pub(super) fn read_from(
        &mut self,
        replica: &Arc<Node>,
        shared: &Arc<Shared>,
        outbox: &TaskInbox,
    ) {
        if self.changed {
            self.read(shared, outbox);
        } else {
            self.begin(Some(Arc::clone(replica)), Role::Replica, shared, outbox);
        }
    }

    fn begin(
        &mut self,
        node: Option<Arc<Node>>,
        role: Role,
        shared: &Arc<Shared>,
        outbox: &TaskInbox,
    ) {
        if !self.wanted {
            return;
        }
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        self.reading = Some(Instant::now());
        self.next = None;
        if role == Role::Primary {
            shared.judging.classifier.reading_begins();
        }
        let reader = Arc::clone(shared);
        let limit = shared.config.acquire_timeout;
        let outbox = outbox.clone();
        tokio::spawn(async move {
            let reading = async {
                let Some(node) = node else {
                    return Err("there is no primary".to_owned());
                };
                let settings = reader.judging.classifier.settings();
                let read = backend::read_catalog(&node, Some(&reader.config), settings).await;
                read.map_err(|err| crate::signal::told(&err))
            };
            let read = tokio::time::timeout(limit, reading).await;
            let read = read.unwrap_or_else(|_| {
                let limit = reader.config.setting("acquire_timeout");
                Err(format!("no answer within {limit}"))
            });
            outbox.send(TaskReport::CatalogRead(role, read.map(Box::new)));
        });
    }

    /// A reading has ended.
    pub(super) fn ended(
        &mut self,
        shared: &Shared,
        role: Role,
        read: Result<Box<Catalog>, String>,
    ) {
        let now = Instant::now();
        let took = self
            .reading
            .take()
            .map_or(Duration::ZERO, |begun| now - begun);
        self.rests_until = Some(now + (took * REST).min(LONGEST_REST));
        let by_wish = std::mem::take(&mut self.by_wish);
        let again = std::mem::take(&mut self.again);
        match read {
            Ok(_) if self.changed && role != Role::Primary => self.next = Some(now),
            Ok(catalog) => {
                if shared.judging.classifier.knows_nothing() {
                    say_unlisted(&catalog);
                }
                let new = shared.judging.classifier.has_read(*catalog);
                self.wish_gap = match (new, by_wish) {
                    (true, _) => WISH_EVERY,
                    (false, true) => (self.wish_gap * 2).min(WISH_SELDOM),
                    (false, false) => self.wish_gap,
                };
                shared.judging.learned.send_replace(());
                self.provisional = role != Role::Primary;
                self.changed &= again || role != Role::Primary;
                self.next = self.every.map(|every| now + every);
            }
            Err(error) => {
                tracing::warn!(
                    error,
                    "the catalog could not be read: what is not known goes to the primary until it can"
                );
                self.next = Some(now + RETRY_AFTER);
            }
        }
        if again {
            self.no_later_than(self.rests_until);
        }
        let wishes = now + self.wish_gap;
        self.wishes_from = Some(wishes);
        let wishes = wishes.saturating_duration_since(shared.origin).as_millis();
        let wishes = u64::try_from(wishes).unwrap_or(u64::MAX);
        shared.judging.heard_at.store(wishes, Ordering::Release);
        shared.judging.wished.store(false, Ordering::Release);
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

impl Shared {
    /// The schema may have changed: what that may have touched is not believed until it has been read again (rule I5).
    pub(crate) fn schema_changed(&self, change: &Change) {
        if !self.judging.reads_catalog || change.is_nothing() {
            return;
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
        sql: &str,
        verdict: Summary,
        deadline: Instant,
    ) -> Summary {
        if !verdict.unknown || !self.judging.reads_catalog {
            return verdict;
        }
        let mut learned = self.judging.learned.subscribe();
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let waits = !self.judging.classifier.awaits_catalog()
            && self.judging.heard_at.load(Ordering::Acquire) <= now;
        if waits {
            self.wish_catalog();
        }
        let mut waits = waits;
        while std::mem::take(&mut waits) || self.judging.classifier.awaits_catalog() {
            let news = tokio::time::timeout_at(deadline.into(), learned.changed()).await;
            if !matches!(news, Ok(Ok(()))) {
                break;
            }
            if !self.judging.classifier.verdict(sql).unknown {
                break;
            }
        }
        self.judging.classifier.verdict(sql)
    }
}
