//! The totals of every label, which never fall although nodes come and go.
//!
//! A node that is replaced under the same name starts counting at zero, and a counter that falls reads as a restart of
//! the whole process (or, with recorders that keep the greatest value, stands still). So what a departed node had
//! counted stays with its name. Not for ever: a node without a name is called by its address, and where every restart of a
//! container brings another one, the memory of a cluster would grow. So the names that are gone for longest are forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::histogram::Buckets;
use super::super::names::{ACQUIRE_SECONDS, Metric, REPLAYED_SECONDS, STATEMENT_SECONDS};
use super::super::sums::{NodeSums, NodeTotals, Observed, PoolSums};
use crate::vocabulary::{NodeId, Role};

/// How many names of nodes that are gone keep their totals.
const KEPT: usize = 64;

/// Everything exported under one label.
#[derive(Debug, Default)]
pub(super) struct Exported {
    /// What nodes had counted that are no longer there.
    departed: NodeTotals,
    present: BTreeMap<NodeId, NodeTotals>,
    /// The round in which its last node was gone.
    gone: Option<u64>,
    pub(super) totals: NodeTotals,
    pub(super) in_flight: u64,
    pub(super) statement_limit: u64,
    pub(super) pool: PoolSums,
    pub(super) role: Option<Role>,
    pub(super) observed: Observed,
    /// Series of the lag are there, in time and in bytes.
    pub(super) lag_series: bool,
    pub(super) bytes_series: bool,
    /// What was said of its eligibility so far: each has a series, so that none stays at 1 that no longer holds.
    pub(super) eligible_words: BTreeSet<&'static str>,
}

impl Exported {
    /// The histograms and what they are called.
    pub(super) fn histograms(&self) -> [(&'static Metric, &Buckets); 3] {
        [
            (&STATEMENT_SECONDS, self.totals.running()),
            (&ACQUIRE_SECONDS, self.totals.acquiring()),
            (&REPLAYED_SECONDS, &self.totals.replaying),
        ]
    }

    /// Leaves what is of the moment at nothing, until the nodes that are there add theirs.
    fn begin(&mut self, nodes: &[NodeSums]) {
        let Self {
            departed, present, ..
        } = self;
        present.retain(|id, totals| {
            let stays = nodes.iter().any(|node| node.id == *id);
            if !stays {
                *departed += totals;
            }
            stays
        });
        (self.in_flight, self.pool, self.role) = (0, PoolSums::default(), None);
        self.statement_limit = 0;
        self.observed = Observed::default();
    }

    fn add(&mut self, node: &NodeSums) {
        self.present.insert(node.id, node.totals.clone());
        self.in_flight += node.in_flight;
        self.statement_limit += node.statement_limit;
        self.pool += node.pool;
        // Of two nodes under one name, the one that drains is the older one.
        self.role = Some(node.role);
        self.observed = node.observed;
        self.lag_series |= node.observed.lag.is_some();
        self.bytes_series |= node.observed.bytes.is_some();
        self.eligible_words.insert(node.observed.eligible);
    }

    fn finish(&mut self, round: u64) {
        self.gone = match self.present.is_empty() {
            true => self.gone.or(Some(round)),
            false => None,
        };
        self.totals = self.departed.clone();
        for totals in self.present.values() {
            self.totals += totals;
        }
    }
}

/// All labels.
#[derive(Debug, Default)]
pub(super) struct Series {
    named: BTreeMap<Arc<str>, Exported>,
    rounds: u64,
}

impl Series {
    /// Takes over the nodes of this moment.
    pub(super) fn update(&mut self, nodes: &[NodeSums]) {
        self.rounds += 1;
        for exported in self.named.values_mut() {
            exported.begin(nodes);
        }
        let mut in_order: Vec<&NodeSums> = nodes.iter().collect();
        in_order.sort_by_key(|node| node.id);
        for node in in_order {
            let label = Arc::clone(&node.label);
            self.named.entry(label).or_default().add(node);
        }
        for exported in self.named.values_mut() {
            exported.finish(self.rounds);
        }
        self.forget();
    }

    /// Forgets the names that are gone for longest, beyond what is kept. Their gauges were exported at zero before.
    fn forget(&mut self) {
        let gone = self.named.iter();
        let gone = gone.filter_map(|(label, one)| Some((one.gone?, Arc::clone(label))));
        let mut gone: Vec<(u64, Arc<str>)> = gone.collect();
        gone.sort();
        for (since, label) in gone.iter().take(gone.len().saturating_sub(KEPT)) {
            if *since < self.rounds {
                self.named.remove(label);
            }
        }
    }

    /// Every label with what is to be exported under it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Exported)> {
        self.named.iter()
    }

    pub(super) fn has(&self, label: &str) -> bool {
        self.named.contains_key(label)
    }
}
