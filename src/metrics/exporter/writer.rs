//! One recorder for the length of one publication: puts the labels on and calls it.
//!
//! The facade's macros would ask for the current recorder at every call, and one that is installed in between would
//! get half a publication.

use std::ptr;
use std::sync::Arc;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};

use super::super::counters::statement_at;
use super::super::histogram::Buckets;
use super::super::names::Counted;
use super::super::names::{
    FAILURES, IN_FLIGHT, Metric, MetricKind, NODE_ELIGIBLE, NODE_HEALTH, NODE_LAG_BYTES,
    NODE_LAG_SECONDS, NODE_ROLE, NodeCounter, POOL_CONNECTIONS, POOL_IDLE, POOL_MAX, POOL_USED,
    RETRIES, STATEMENT_LIMIT, STATEMENTS,
};
use super::series::Exported;
use crate::vocabulary::{FailureKind, RetryCause, Role};

static METADATA: Metadata<'static> = Metadata::new("sealane", Level::INFO, Some(module_path!()));

pub(super) struct Writer<'a> {
    recorder: &'a dyn Recorder,
    cluster: &'a Arc<str>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(recorder: &'a dyn Recorder, cluster: &'a Arc<str>) -> Self {
        Self { recorder, cluster }
    }

    /// Where the recorder lies. Only the address: a pointer to a trait object also holds a table of functions, of
    /// which one type may have several.
    pub(super) fn address(&self) -> usize {
        ptr::from_ref(self.recorder).cast::<()>().addr()
    }

    pub(super) fn describe(&self, metric: &'static Metric) {
        let name = KeyName::from_const_str(metric.name);
        let (unit, text) = (Some(metric.unit), metric.text.into());
        match metric.kind {
            MetricKind::Counter => self.recorder.describe_counter(name, unit, text),
            MetricKind::Gauge => self.recorder.describe_gauge(name, unit, text),
            MetricKind::Histogram => self.recorder.describe_histogram(name, unit, text),
        }
    }

    /// What failed there, and what was sent again for it.
    fn failures(&self, label: &Arc<str>, node: &Exported) {
        let on_node = || vec![of_node(label)];
        let causes = RetryCause::ALL.iter().zip(&node.totals.retries);
        for (cause, total) in causes.filter(|(_, total)| **total > 0) {
            let mut labels = on_node();
            labels.push(Label::from_static_parts("cause", cause.as_str()));
            self.counter(&RETRIES, labels, *total);
        }
        let kinds = FailureKind::ALL.iter().zip(&node.totals.failures);
        for (kind, total) in kinds.filter(|(_, total)| **total > 0) {
            let mut labels = on_node();
            labels.push(Label::from_static_parts("kind", kind.as_str()));
            self.counter(&FAILURES, labels, *total);
        }
    }

    /// Everything of one label except its histograms.
    pub(super) fn node(&self, label: &Arc<str>, node: &Exported) {
        let on_node = || vec![of_node(label)];
        for (index, total) in node
            .totals
            .statements
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
        {
            let (role, intent, reason) = statement_at(index);
            let mut labels = on_node();
            labels.push(Label::from_static_parts("role", role.as_str()));
            labels.push(Label::from_static_parts("intent", intent.as_str()));
            labels.push(Label::from_static_parts("reason", reason.as_str()));
            self.counter(&STATEMENTS, labels, *total);
        }
        for (word, total) in NodeCounter::ALL.iter().zip(&node.totals.counters) {
            self.counter(word.metric(), on_node(), *total);
        }
        self.failures(label, node);
        for role in Role::ALL {
            let mut labels = on_node();
            labels.push(Label::from_static_parts("role", role.as_str()));
            self.gauge(&NODE_ROLE, labels, u64::from(node.role == Some(*role)));
        }
        self.gauge(&IN_FLIGHT, on_node(), node.in_flight);
        self.gauge(&STATEMENT_LIMIT, on_node(), node.statement_limit);
        self.gauge(&POOL_CONNECTIONS, on_node(), node.pool.size);
        self.gauge(&POOL_IDLE, on_node(), node.pool.idle);
        self.gauge(&POOL_USED, on_node(), node.pool.used());
        self.gauge(&POOL_MAX, on_node(), node.pool.max);
        let observed = &node.observed;
        self.gauge(&NODE_HEALTH, on_node(), u64::from(observed.healthy));
        let known = node.eligible_words.iter();
        for word in known {
            let mut labels = on_node();
            labels.push(Label::from_static_parts("reason", word));
            self.gauge(
                &NODE_ELIGIBLE,
                labels,
                u64::from(*word == observed.eligible),
            );
        }
        // A recorder keeps a series for ever: where nobody can tell the lag any more, the last one would be a lie.
        if node.lag_series {
            let lag = observed.lag.map_or(f64::NAN, |lag| lag.as_secs_f64());
            self.real(&NODE_LAG_SECONDS, on_node(), lag);
        }
        if node.bytes_series {
            let bytes = observed.bytes.map_or(f64::NAN, |bytes| bytes as f64);
            self.real(&NODE_LAG_BYTES, on_node(), bytes);
        }
    }

    pub(super) fn counter(&self, metric: &'static Metric, labels: Vec<Label>, total: u64) {
        self.recorder
            .register_counter(&self.key(metric, labels), &METADATA)
            .absolute(total);
    }

    pub(super) fn gauge(&self, metric: &'static Metric, labels: Vec<Label>, value: u64) {
        self.real(metric, labels, value as f64);
    }

    fn real(&self, metric: &'static Metric, labels: Vec<Label>, value: f64) {
        self.recorder
            .register_gauge(&self.key(metric, labels), &METADATA)
            .set(value);
    }

    pub(super) fn histogram(
        &self,
        metric: &'static Metric,
        node: Option<&Arc<str>>,
        values: &Buckets,
    ) {
        let key = self.key(metric, node.map(of_node).into_iter().collect());
        let histogram = self.recorder.register_histogram(&key, &METADATA);
        for (value, count) in values.non_empty() {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            histogram.record_many(value.as_secs_f64(), count);
        }
    }

    fn key(&self, metric: &'static Metric, mut labels: Vec<Label>) -> Key {
        labels.push(Label::new("cluster", Arc::clone(self.cluster)));
        Key::from_parts(metric.name, labels)
    }
}

fn of_node(label: &Arc<str>) -> Label {
    Label::new("node", Arc::clone(label))
}
