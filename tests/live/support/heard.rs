//! What the crate says of itself: decisions, warnings, counters.

use std::{
    fmt::Write,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing::Dispatch;
use tracing_subscriber::{Layer, layer::SubscriberExt};

use crate::place::until;

/// One decision, as the traces tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub node: String,
    pub role: String,
    pub intent: String,
    pub reason: String,
}

/// A second listener, which hears nothing. Where there is one only, what it wants to hear is asked of the thread on which a line
/// is first met, and nobody hears that line where that is another test's.
static BESIDE: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// Decisions and warnings of this thread; a `#[tokio::test]` has one.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    decisions: Vec<Decision>,
    warnings: Vec<String>,
}

impl Heard {
    /// Listens on this thread until the guard is dropped.
    pub fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let _ = &*BESIDE;
        let heard = Self::default();
        let subscriber = tracing_subscriber::registry().with(heard.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        (heard, guard)
    }

    /// The decisions since the last call.
    pub fn decisions(&self) -> Vec<Decision> {
        std::mem::take(&mut self.0.lock().unwrap().decisions)
    }

    /// Role and reason of each decision since the last call.
    pub fn routes(&self) -> Vec<(String, String)> {
        let decisions = self.decisions().into_iter();
        decisions.map(|one| (one.role, one.reason)).collect()
    }

    /// Every warning so far, with its fields.
    pub fn warnings(&self) -> Vec<String> {
        self.0.lock().unwrap().warnings.clone()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let metadata = event.metadata();
        let mut notes = self.0.lock().unwrap();
        if metadata.target() == "sealane::decision" {
            let mut decision = Decision::default();
            event.record(&mut Fields(|name: &str, value: &str| {
                let field = match name {
                    "node" => &mut decision.node,
                    "role" => &mut decision.role,
                    "intent" => &mut decision.intent,
                    "reason" => &mut decision.reason,
                    _ => return,
                };
                *field = value.to_owned();
            }));
            notes.decisions.push(decision);
        } else if *metadata.level() == tracing::Level::WARN
            && metadata.target().starts_with("sealane")
        {
            let mut text = String::new();
            event.record(&mut Fields(|name: &str, value: &str| {
                write!(text, "{name}={value} ").unwrap();
            }));
            notes.warnings.push(text);
        }
    }
}

struct Fields<F>(F);

impl<F: FnMut(&str, &str)> tracing::field::Visit for Fields<F> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        (self.0)(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        (self.0)(field.name(), value);
    }
}

/// The cluster's counter or gauge as a recorder has them that is installed only now.
pub async fn counter(db: &sealane::RoutedConnection, name: &str) -> u64 {
    let all = series(db, name).await.into_iter();
    all.map(|(labels, value)| match value {
        DebugValue::Counter(count) => count,
        DebugValue::Gauge(value) => value.0.to_string().parse().unwrap(),
        other => panic!("{name} {labels:?} is no counter: {other:?}"),
    })
    .sum()
}

/// Every series of a metric, each with its labels as `name=value`.
pub async fn series(db: &sealane::RoutedConnection, name: &str) -> Vec<(Vec<String>, DebugValue)> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // The worker runs on this thread too, so a recorder of the thread is enough.
    let _installed = metrics::set_default_local_recorder(&recorder);
    db.cluster().export_metrics().await.unwrap();
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.filter(|(key, ..)| key.key().name() == name)
        .map(|(key, .., value)| {
            let labels = key.key().labels();
            let labels = labels.map(|label| format!("{}={}", label.key(), label.value()));
            (labels.collect(), value)
        })
        .collect()
}

/// For a second, two replicas that are left to wait are asked no more than that takes: one question every 5 ms of each while those
/// who wait have just come, and one every 20 ms in the end. `one_waits`: on each there is one question at the most.
pub async fn is_asked_sparingly(db: &sealane::RoutedConnection, one_waits: impl Fn() -> bool) {
    let (begun, before) = (Instant::now(), counter(db, "sealane_samples_total").await);
    until("a while to pass", async || {
        assert!(one_waits());
        begun.elapsed() > Duration::from_secs(1)
    })
    .await;
    let asked = counter(db, "sealane_samples_total").await - before;
    let most = begun.elapsed().as_millis() / 5 * 2;
    assert!(
        u128::from(asked) <= most,
        "{asked} in {:?}",
        begun.elapsed()
    );
}
