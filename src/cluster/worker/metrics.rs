//! Exporting the counters once a second, and what the retry budget gets of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{metric_sums, shared::Shared},
    metrics::Exporter,
    state::State,
};

/// How often counters are exported.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// When the counters are exported, and to whom.
pub(super) struct MetricsPublisher {
    exporter: Arc<Exporter>,
    next: Instant,
    /// How many requests the retry budget was credited for.
    credited: u64,
}

impl MetricsPublisher {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            exporter: Arc::clone(&shared.telemetry.exporter),
            next: shared.origin + PUBLISH_EVERY,
            credited: 0,
        }
    }

    /// When to export again.
    pub(super) fn next_due(&self) -> Instant {
        self.next
    }

    pub(super) fn export(&mut self, shared: &Shared, state: &State) {
        self.exporter.export(|| metric_sums::sums(shared, state));
        let requests = metric_sums::requests(shared);
        let requested = requests.saturating_sub(self.credited);
        shared.admission.credit_retries(requested, shared.now());
        self.credited = requests;
        self.next = Instant::now() + PUBLISH_EVERY;
    }
}
