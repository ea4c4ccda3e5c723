//! The totals of every label, which never fall although nodes come and go.
//!
//! A node that is replaced under the same name starts counting at zero, and a counter that falls reads as a restart of
//! the whole process (or, with recorders that keep the greatest value, stands still). So what a departed node had
//! counted stays with its name. The ordinal of an unnamed node is never used again: its series ends with it, or the
//! memory of a cluster whose nodes change for ever would grow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::histogram::Buckets;
use super::super::names::{ACQUIRE_SECONDS, Metric, REPLAYED_SECONDS, STATEMENT_SECONDS};
use super::super::sums::{NodeLabel, NodeSums, NodeTotals, Observed, PoolSums};
use crate::words::{NodeId, Role};

/// Everything published under one label.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// What nodes had counted that are no longer there.
    departed: NodeTotals,
    present: BTreeMap<NodeId, NodeTotals>,
    pub(super) totals: NodeTotals,
    pub(super) in_flight: u64,
    pub(super) pool: PoolSums,
    pub(super) role: Option<Role>,
    pub(super) observed: Observed,
    /// What was said of its eligibility so far: each has a series, so that none stays at 1 that no longer holds.
    pub(super) eligible_words: BTreeSet<&'static str>,
}

impl Published {
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
        self.observed = Observed::default();
    }

    fn add(&mut self, node: &NodeSums) {
        self.present.insert(node.id, node.totals.clone());
        self.in_flight += node.in_flight;
        self.pool += node.pool;
        // Of two nodes under one name, the one that drains is the older one.
        self.role = Some(node.role);
        self.observed = node.observed;
        self.eligible_words.insert(node.observed.eligible);
    }

    fn finish(&mut self) {
        self.totals = self.departed.clone();
        for totals in self.present.values() {
            self.totals += totals;
        }
    }
}

/// All labels.
#[derive(Debug, Default)]
pub(super) struct Series {
    named: BTreeMap<Arc<str>, (Published, Ends)>,
}

/// What becomes of a label whose nodes have all gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// It is a name, and stays with its totals.
    Never,
    /// It is an ordinal. It is published once more, with its gauges at zero.
    WithItsNode,
    /// That has been done.
    Now,
}

impl Series {
    /// Takes over the nodes of this moment.
    pub(super) fn update(&mut self, nodes: &[NodeSums]) {
        self.named.retain(|_, (_, ends)| *ends != Ends::Now);
        for (published, _) in self.named.values_mut() {
            published.begin(nodes);
        }
        let mut in_order: Vec<&NodeSums> = nodes.iter().collect();
        in_order.sort_by_key(|node| node.id);
        for node in in_order {
            let ends = match &node.label {
                NodeLabel::Name(_) => Ends::Never,
                NodeLabel::Ordinal(_) => Ends::WithItsNode,
            };
            let entry = self.named.entry(node.label.text());
            entry
                .or_insert_with(|| (Published::default(), ends))
                .0
                .add(node);
        }
        for (published, ends) in self.named.values_mut() {
            published.finish();
            if published.present.is_empty() && *ends == Ends::WithItsNode {
                *ends = Ends::Now;
            }
        }
    }

    /// Every label with what is to be published under it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Published)> {
        self.named
            .iter()
            .map(|(label, (published, _))| (label, published))
    }
}
