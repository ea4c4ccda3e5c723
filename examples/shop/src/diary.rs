//! Where statements went, and why: sealane says each decision as an event of `tracing`, and this layer keeps them.
//!
//! For a page that is looked at. Whoever wants to know how many and nothing else has the metric
//! `sealane_statements_total`, which costs no statement an event.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{Filtered, Targets},
    layer::Context,
    registry::LookupSpan,
};

/// How many changes the page shows.
const SHOWN: usize = 8;

/// One decision, in sealane's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    /// What the shop did it for.
    pub what: &'static str,
    pub node: String,
    pub role: String,
    pub intent: String,
    pub reason: String,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}: {}", self.node, self.role, self.reason)
    }
}

/// Who asks, and the decisions that were taken for it.
#[derive(Clone)]
struct Asker {
    what: &'static str,
    decisions: Arc<Mutex<Vec<Decision>>>,
}

tokio::task_local! {
    static ASKER: Asker;
}

/// Runs a future, and gives the decisions that its statements had. What stands in none of these is not in the diary.
pub async fn noted<F: Future>(what: &'static str, future: F) -> (F::Output, Vec<Decision>) {
    let asker = Asker {
        what,
        decisions: Arc::default(),
    };
    let output = ASKER.scope(asker.clone(), future).await;
    let decisions = std::mem::take(&mut *lock(&asker.decisions));
    (output, decisions)
}

/// The decisions of this process.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// What was decided last, for each purpose.
    last: BTreeMap<&'static str, Decision>,
    changes: VecDeque<Decision>,
    counts: BTreeMap<Decision, u64>,
}

impl Diary {
    /// The last decisions that were other than the one before for the same purpose, the newest first.
    pub fn changes(&self) -> Vec<Decision> {
        lock(&self.0).changes.iter().cloned().collect()
    }

    /// How many there were of each kind.
    pub fn counts(&self) -> Vec<(Decision, u64)> {
        let book = lock(&self.0);
        let counts = book.counts.iter();
        counts.map(|(kind, count)| (kind.clone(), *count)).collect()
    }

    /// The layer for `tracing`; it hears nothing but decisions.
    pub fn layer<S>(&self) -> Filtered<Self, Targets, S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let decisions = Targets::new().with_target("sealane::decision", Level::DEBUG);
        self.clone().with_filter(decisions)
    }

    fn note(&self, decision: Decision) {
        let mut book = lock(&self.0);
        let kind = Decision {
            what: "",
            ..decision.clone()
        };
        *book.counts.entry(kind).or_default() += 1;
        let before = book.last.insert(decision.what, decision.clone());
        if before.as_ref() != Some(&decision) {
            book.changes.truncate(SHOWN - 1);
            book.changes.push_front(decision);
        }
    }
}

impl<S: Subscriber> Layer<S> for Diary {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A decision is taken where its statement is awaited, so the future's own asker is at hand.
        let _ = ASKER.try_with(|asker| {
            let mut decision = Decision {
                what: asker.what,
                ..Decision::default()
            };
            event.record(&mut Fields(&mut decision));
            lock(&asker.decisions).push(decision.clone());
            self.note(decision);
        });
    }
}

struct Fields<'a>(&'a mut Decision);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let place = match field.name() {
            "node" => &mut self.0.node,
            "role" => &mut self.0.role,
            "intent" => &mut self.0.intent,
            "reason" => &mut self.0.reason,
            _ => return,
        };
        value.clone_into(place);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
