//! Copies the sums into the `metrics` facade, for whichever recorder is there at that moment.
//!
//! Counters are set to their totals, so a recorder that was installed late sees all that was ever counted. A histogram
//! can only be fed values: each recorder gets the values it has not had, which for a new one are all of them (beyond
//! 100 000 a fair share of them), at the moment of its first publication. Handles are not kept: a handle made before a recorder was installed is deaf for
//! ever, a dozen registrations a second cost microseconds, and so nothing can be stale.

mod series;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use series::Series;
use writer::Writer;

use metrics::Label;

use super::histogram::Buckets;
use super::names::{
    ALL, ASLEEP, BUILD_INFO, ClusterCounter, Counted, EPOCH, HAS_PRIMARY, Metric, OPEN_WRITES,
    RETRY_BUDGET, TRACKED_TASKS, WAITERS,
};
use super::sums::ClusterSums;

/// In a program there are two recorders: none, and the one that was installed. Tests have more, one after the other.
const RECORDERS_REMEMBERED: usize = 8;

/// The most values of one histogram that a recorder gets at first. Most recorders store value by value, so all values
/// of a week would stop the program and fill its memory; so many show the same distribution.
const MOST_AT_FIRST: u64 = 100_000;

/// Exports one cluster.
///
/// The cluster's name becomes the label `cluster` of every series, or two clusters of one process would meet in one.
#[derive(Debug)]
pub(crate) struct Exporter {
    cluster: Arc<str>,
    state: Mutex<ExporterState>,
}

#[derive(Debug, Default)]
struct ExporterState {
    nodes: Series,
    recorders: Vec<Recorder>,
}

/// What one recorder has been given.
#[derive(Debug, Default)]
struct Recorder {
    address: usize,
    /// By node, where they are a node's, and by name.
    histograms: BTreeMap<(Option<Arc<str>>, &'static str), Buckets>,
}

impl Recorder {
    /// The values of this histogram that the recorder has not had.
    fn news(
        &mut self,
        node: Option<&Arc<str>>,
        metric: &'static Metric,
        total: &Buckets,
    ) -> Buckets {
        let key = (node.map(Arc::clone), metric.name);
        match self.histograms.insert(key, total.clone()) {
            Some(before) => total.since(&before),
            None => total.thinned(MOST_AT_FIRST),
        }
    }
}

impl Exporter {
    /// An exporter that has exported nothing yet.
    #[must_use]
    pub(crate) fn new(cluster: &str) -> Self {
        Self {
            cluster: Arc::from(cluster),
            state: Mutex::default(),
        }
    }

    /// Exports what `read` returns.
    ///
    /// `read` runs under the lock, so that of two publications at once the later one also has the later sums.
    pub(crate) fn export(&self, read: impl FnOnce() -> ClusterSums) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = read();
        state.nodes.update(&sums.nodes);
        metrics::with_recorder(|recorder| {
            let writer = Writer::new(recorder, &self.cluster);
            let ExporterState { nodes, recorders } = &mut *state;
            let known = remembered(recorders, &writer);
            for (word, total) in ClusterCounter::ALL.iter().zip(&sums.counters) {
                writer.counter(word.metric(), Vec::new(), *total);
            }
            for (label, node) in nodes.iter() {
                writer.node(label, node);
                for (metric, total) in node.histograms() {
                    let news = known.news(Some(label), metric, total);
                    writer.histogram(metric, Some(label), &news);
                }
            }
            known.histograms.retain(|(node, _), _| match node {
                Some(node) => nodes.has(node),
                None => true,
            });
            let version = Label::from_static_parts("version", env!("CARGO_PKG_VERSION"));
            writer.gauge(&BUILD_INFO, vec![version], 1);
            writer.gauge(&OPEN_WRITES, Vec::new(), sums.open_writes);
            writer.gauge(&TRACKED_TASKS, Vec::new(), sums.tracked_tasks);
            writer.gauge(&EPOCH, Vec::new(), sums.epoch);
            writer.gauge(&HAS_PRIMARY, Vec::new(), u64::from(sums.has_primary));
            writer.gauge(&ASLEEP, Vec::new(), u64::from(sums.asleep));
            writer.gauge(&WAITERS, Vec::new(), sums.waiters);
            writer.gauge(&RETRY_BUDGET, Vec::new(), sums.retry_budget);
            for (metric, total) in sums.histograms() {
                let news = known.news(None, metric, total);
                writer.histogram(metric, None, &news);
            }
        });
    }
}

/// What this recorder has been given; at its first sight every metric is described to it.
///
/// A recorder is known by its address: the facade has no other identity, an installed one never moves, and a wrong
/// guess, possible only for local recorders one after the other, costs a histogram's early values and no counter.
fn remembered<'a>(recorders: &'a mut Vec<Recorder>, writer: &Writer<'_>) -> &'a mut Recorder {
    let address = writer.address();
    let found = match recorders.iter().position(|known| known.address == address) {
        Some(index) => recorders.remove(index),
        None => {
            ALL.iter().for_each(|metric| writer.describe(metric));
            Recorder {
                address,
                ..Recorder::default()
            }
        }
    };
    recorders.truncate(RECORDERS_REMEMBERED - 1);
    recorders.insert(0, found);
    &mut recorders[0]
}
