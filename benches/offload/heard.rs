//! Where reads went, as the decisions' own events tell it, and how long they waited, as the metrics do.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sealane::RoutedConnection;
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

use crate::Result;

#[derive(Clone)]
pub(crate) struct Heard {
    counts: Arc<Counts>,
    snapshotter: Arc<Snapshotter>,
}

#[derive(Default)]
struct Counts {
    primary: AtomicU64,
    replica: AtomicU64,
}

impl Heard {
    pub(crate) fn install() -> Result<Self> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = Arc::new(recorder.snapshotter());
        recorder.install()?;
        let counts = Arc::new(Counts::default());
        let subscriber = tracing_subscriber::registry().with(Counting(Arc::clone(&counts)));
        tracing::subscriber::set_global_default(subscriber)?;
        Ok(Self {
            counts,
            snapshotter,
        })
    }

    /// Reads on the primary and on replicas since the last call.
    pub(crate) fn reads(&self) -> (u64, u64) {
        let Counts { primary, replica } = &*self.counts;
        (primary.swap(0, Relaxed), replica.swap(0, Relaxed))
    }

    /// How long reads waited, writes were not covered and captures not known to be replayed, since the last call; in
    /// seconds, sorted.
    pub(crate) async fn times(&self, db: &RoutedConnection) -> Result<[Vec<f64>; 3]> {
        const NAMES: [&str; 3] = [
            "sealane_stale_wait_seconds",
            "sealane_covered_seconds",
            "sealane_replayed_seconds",
        ];
        db.cluster().export_metrics().await?;
        let mut times = [const { Vec::new() }; 3];
        for (key, _, _, value) in self.snapshotter.snapshot().into_vec() {
            if let Some(at) = NAMES.iter().position(|name| *name == key.key().name())
                && let DebugValue::Histogram(values) = value
            {
                times[at].extend(values.into_iter().map(|value| value.0));
            }
        }
        for times in &mut times {
            times.sort_by(f64::total_cmp);
        }
        Ok(times)
    }
}

struct Counting(Arc<Counts>);

impl<S: tracing::Subscriber> Layer<S> for Counting {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "sealane::decision"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        if words.reads {
            let Counts { primary, replica } = &*self.0;
            let count = if words.replica { replica } else { primary };
            count.fetch_add(1, Relaxed);
        }
    }
}

#[derive(Default)]
struct Words {
    reads: bool,
    replica: bool,
}

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "intent" => self.reads = value == "read",
            "role" => self.replica = value == "replica",
            _ => {}
        }
    }
}
