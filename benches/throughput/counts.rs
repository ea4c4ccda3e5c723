//! Where reads went and what the handle asked by itself, as its metrics tell.

use std::sync::Arc;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sealane::RoutedConnection;

use crate::Result;

/// What counts the handle's own statements.
const OWN: [&str; 2] = ["sealane_captures_total", "sealane_samples_total"];

/// The metrics of all handles of this bench.
pub(crate) struct Counts(Arc<Snapshotter>);

/// One handle's counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) reads: u64,
    pub(crate) replica_reads: u64,
    /// Statements that the handle sent by itself, to know what was written and replayed.
    pub(crate) own: u64,
}

impl Counted {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            replica_reads: self.replica_reads - before.replica_reads,
            own: self.own - before.own,
        }
    }
}

impl Counts {
    pub(crate) fn install() -> Result<Self> {
        let recorder = DebuggingRecorder::new();
        let snapshotter = Arc::new(recorder.snapshotter());
        recorder.install()?;
        Ok(Self(snapshotter))
    }

    /// The counters of the handle with this name, from its birth.
    pub(crate) async fn of(&self, db: &RoutedConnection, name: &str) -> Result<Counted> {
        db.cluster().export_metrics().await?;
        let mut counted = Counted::default();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let DebugValue::Counter(count) = value else {
                continue;
            };
            let key = key.key();
            let label = |wanted: &str| {
                let mut labels = key.labels();
                let found = labels.find(|label| label.key() == wanted);
                found.map_or("", |label| label.value())
            };
            if label("cluster") != name {
                continue;
            }
            if key.name() == "sealane_statements_total" && label("intent") == "read" {
                counted.reads += count;
                if label("role") == "replica" {
                    counted.replica_reads += count;
                }
            }
            if OWN.contains(&key.name()) {
                counted.own += count;
            }
        }
        Ok(counted)
    }
}
