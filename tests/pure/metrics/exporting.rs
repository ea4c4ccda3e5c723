//! Exporting: late, repeated and alternating recorders all see the truth, under names and labels of the table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use metrics_util::MetricKind as SeenKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::metrics::{
    ALL, ClusterCounter, ClusterMetrics, ClusterSums, Exporter, MetricKind, NodeCounter,
    NodeMetrics, NodeSums, PoolSums,
};
use crate::vocabulary::{FailureKind, Intent, NodeId, Reason, RetryCause, Role};

/// A node that has counted something of everything.
fn busy() -> NodeMetrics {
    let node = NodeMetrics::default();
    for _ in 0..3 {
        node.statement(Role::Replica, Intent::Read, Reason::Replica);
        node.ran(Duration::from_micros(50));
        node.acquired(Duration::from_micros(1));
    }
    node.statement(Role::Primary, Intent::Write, Reason::Write);
    node.count(NodeCounter::Ejection);
    node.retry(RetryCause::Lost);
    node.failure(FailureKind::Lost);
    node
}

fn sums(id: u32, name: &str, metrics: &NodeMetrics) -> NodeSums {
    let id = NodeId(id);
    NodeSums {
        observed: crate::metrics::Observed {
            eligible: crate::vocabulary::Ineligible::ELIGIBLE,
            healthy: true,
            lag: Some(Duration::from_millis(1500)),
            bytes: Some(7),
        },
        id,
        label: name.into(),
        role: Role::Replica,
        in_flight: metrics.in_flight(),
        statement_limit: 10,
        pool: PoolSums {
            size: 4,
            idle: 3,
            max: 10,
        },
        totals: metrics.totals(),
    }
}

fn cluster(nodes: Vec<NodeSums>) -> ClusterSums {
    let counted = ClusterMetrics::default();
    counted.count(ClusterCounter::CacheHit);
    ClusterSums {
        nodes,
        counters: counted.totals(),
        ..ClusterSums::default()
    }
}

type Seen = BTreeMap<String, DebugValue>;

/// Exports once, with `recorder` installed, and returns what it has, as `name{label=value,…}`.
fn export_to(recorder: &DebuggingRecorder, exporter: &Exporter, nodes: Vec<NodeSums>) -> Seen {
    metrics::with_local_recorder(recorder, || exporter.export(|| cluster(nodes)));
    let seen = recorder.snapshotter().snapshot().into_vec().into_iter();
    seen.map(|(key, _, _, value)| {
        let labels: Vec<_> = key
            .key()
            .labels()
            .filter(|label| label.key() != "cluster")
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        (
            format!("{}{{{}}}", key.key().name(), labels.join(",")),
            value,
        )
    })
    .collect()
}

fn exported(exporter: &Exporter, nodes: Vec<NodeSums>) -> Seen {
    export_to(&DebuggingRecorder::new(), exporter, nodes)
}

fn counter(seen: &Seen, key: &str) -> u64 {
    let Some(DebugValue::Counter(value)) = seen.get(key) else {
        panic!("{key} in {seen:#?}")
    };
    *value
}

fn gauge(seen: &Seen, key: &str) -> f64 {
    let Some(DebugValue::Gauge(value)) = seen.get(key) else {
        panic!("{key} in {seen:#?}")
    };
    value.into_inner()
}

fn values(seen: &Seen, key: &str) -> usize {
    let Some(DebugValue::Histogram(values)) = seen.get(key) else {
        panic!("{key} in {seen:#?}")
    };
    values.len()
}

const READS: &str = "sealane_statements_total{node=near,role=replica,intent=read,reason=replica}";
const WRITES: &str = "sealane_statements_total{node=near,role=primary,intent=write,reason=write}";
const SECONDS: &str = "sealane_statement_seconds{node=near}";

#[test]
fn a_recorder_installed_late_sees_everything() {
    let (exporter, node) = (Exporter::new("billing"), busy());
    // Nobody listens yet.
    exporter.export(|| cluster(vec![sums(1, "near", &node)]));
    node.ran(Duration::from_micros(50));

    let seen = exported(&exporter, vec![sums(1, "near", &node)]);
    assert_eq!(counter(&seen, READS), 3);
    assert_eq!(counter(&seen, WRITES), 1);
    assert_eq!(counter(&seen, "sealane_ejections_total{node=near}"), 1);
    assert_eq!(counter(&seen, "sealane_readmissions_total{node=near}"), 0);
    assert_eq!(
        counter(&seen, "sealane_retries_total{node=near,cause=lost}"),
        1
    );
    let failures = "sealane_statement_errors_total{node=near,kind=lost}";
    assert_eq!(counter(&seen, failures), 1);
    assert_eq!(counter(&seen, "sealane_intent_cache_hits_total{}"), 1);
    assert_eq!(values(&seen, SECONDS), 4);
    assert_eq!(values(&seen, "sealane_acquire_seconds{node=near}"), 3);
    assert_eq!(
        gauge(&seen, "sealane_pool_used_connections{node=near}"),
        1.0
    );
    assert_eq!(
        gauge(&seen, "sealane_pool_max_connections{node=near}"),
        10.0
    );
    assert_eq!(
        gauge(&seen, "sealane_node_role{node=near,role=replica}"),
        1.0
    );
    assert_eq!(
        gauge(&seen, "sealane_node_role{node=near,role=primary}"),
        0.0
    );
}

#[test]
fn a_recorder_installed_very_late_is_not_flooded() {
    let (exporter, node) = (Exporter::new("billing"), NodeMetrics::default());
    (0..250_000).for_each(|_| node.ran(Duration::from_micros(50)));
    let recorder = DebuggingRecorder::new();
    let now = || vec![sums(1, "near", &node)];
    assert_eq!(
        values(&export_to(&recorder, &exporter, now()), SECONDS),
        100_000
    );
    node.ran(Duration::from_micros(50));
    assert_eq!(values(&export_to(&recorder, &exporter, now()), SECONDS), 1);
}

#[test]
fn a_recorder_gets_each_value_once_also_when_others_export_in_between() {
    let (exporter, node) = (Exporter::new("billing"), busy());
    let (mine, other) = (DebuggingRecorder::new(), DebuggingRecorder::new());
    let now = || vec![sums(1, "near", &node)];

    assert_eq!(values(&export_to(&mine, &exporter, now()), SECONDS), 3);
    exporter.export(|| cluster(now()));
    assert_eq!(values(&export_to(&other, &exporter, now()), SECONDS), 3);
    node.ran(Duration::from_micros(50));
    let seen = export_to(&mine, &exporter, now());
    assert_eq!(values(&seen, SECONDS), 1);
    assert_eq!(
        counter(&seen, READS),
        3,
        "a counter is its total every time"
    );
}

#[test]
fn a_node_replaced_under_its_name_continues_its_counters() {
    let (exporter, old, new) = (Exporter::new("billing"), busy(), busy());
    let recorder = DebuggingRecorder::new();
    let seen = export_to(&recorder, &exporter, vec![sums(1, "near", &old)]);
    assert_eq!((counter(&seen, READS), values(&seen, SECONDS)), (3, 3));

    // While the old one drains, both are there.
    let both = vec![sums(2, "near", &new), sums(1, "near", &old)];
    let seen = export_to(&recorder, &exporter, both);
    assert_eq!((counter(&seen, READS), values(&seen, SECONDS)), (6, 3));
    assert_eq!(gauge(&seen, "sealane_pool_connections{node=near}"), 8.0);

    new.statement(Role::Replica, Intent::Read, Reason::Replica);
    let seen = export_to(&recorder, &exporter, vec![sums(2, "near", &new)]);
    assert_eq!((counter(&seen, READS), values(&seen, SECONDS)), (7, 0));
    assert_eq!(gauge(&seen, "sealane_pool_connections{node=near}"), 4.0);

    let seen = export_to(&recorder, &exporter, vec![]);
    assert_eq!(counter(&seen, READS), 7, "the name stays");
    assert_eq!(
        gauge(&seen, "sealane_node_role{node=near,role=replica}"),
        0.0
    );
}

/// Where every restart of a container brings another address, names would be kept for ever.
#[test]
fn of_the_names_that_are_gone_the_last_ones_stay() {
    let (exporter, node) = (Exporter::new("billing"), busy());
    let seen = exported(&exporter, vec![sums(0, "10.0.0.0", &node)]);
    assert_eq!(gauge(&seen, "sealane_pool_connections{node=10.0.0.0}"), 4.0);
    let seen = exported(&exporter, vec![]);
    assert_eq!(gauge(&seen, "sealane_pool_connections{node=10.0.0.0}"), 0.0);
    for id in 1..100 {
        let seen = exported(&exporter, vec![sums(id, &format!("10.0.0.{id}"), &node)]);
        let key = format!("sealane_pool_connections{{node=10.0.0.{id}}}");
        assert_eq!(gauge(&seen, &key), 4.0);
    }
    let seen = exported(&exporter, vec![]);
    let has = |name: &str| {
        seen.keys().any(|key| {
            key.contains(&format!("node={name},")) || key.contains(&format!("node={name}}}"))
        })
    };
    assert!(!has("10.0.0.0") && !has("10.0.0.9"), "{seen:#?}");
    assert!(has("10.0.0.99") && has("10.0.0.50"), "{seen:#?}");
}

/// Counters are set to their totals, so two clusters in one series would overwrite each other.
#[test]
fn two_clusters_of_one_process_have_series_of_their_own() {
    let recorder = DebuggingRecorder::new();
    let node = busy();
    for name in ["billing", "orders"] {
        let exporter = Exporter::new(name);
        metrics::with_local_recorder(&recorder, || {
            exporter.export(|| cluster(vec![sums(1, "near", &node)]));
        });
    }
    let seen = recorder.snapshotter().snapshot().into_vec();
    let of = |name: &str| {
        let label = metrics::Label::new("cluster", name.to_owned());
        let keys = seen.iter().map(|(key, ..)| key.key());
        keys.filter(|key| key.labels().any(|one| *one == label))
            .count()
    };
    assert!(of("billing") > 0);
    assert_eq!(of("billing"), of("orders"));
    assert_eq!(of("billing") + of("orders"), seen.len());
}

#[test]
fn every_metric_is_described_and_carries_the_labels_of_the_table() {
    let recorder = DebuggingRecorder::new();
    let everything = busy();
    let exporter = Exporter::new("billing");
    metrics::with_local_recorder(&recorder, || {
        exporter.export(|| cluster(vec![sums(1, "near", &everything)]));
    });
    let mut missing: BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
    for (key, unit, text, _) in recorder.snapshotter().snapshot().into_vec() {
        let (kind, key) = key.into_parts();
        let metric = ALL.iter().find(|metric| metric.name == key.name());
        let metric = metric.unwrap_or_else(|| panic!("{key} is not in the table"));
        missing.remove(metric.name);
        let kind = match kind {
            SeenKind::Counter => MetricKind::Counter,
            SeenKind::Gauge => MetricKind::Gauge,
            SeenKind::Histogram => MetricKind::Histogram,
        };
        assert_eq!(kind, metric.kind, "{key}");
        assert_eq!(unit, Some(metric.unit), "{key}");
        assert_eq!(text.as_deref(), Some(metric.text), "{key}");
        let labels: Vec<_> = key.labels().map(metrics::Label::key).collect();
        let of_table = metric.labels.iter().copied();
        let wanted: Vec<_> = of_table.chain(["cluster"]).collect();
        assert_eq!(labels, wanted, "{key}");
    }
    assert!(
        missing.is_empty(),
        "in the table and never published: {missing:?}"
    );
    assert!(ALL.iter().all(|metric| metric.name.starts_with("sealane_")));
}

/// The node label is the configured name or the server's; the rest are words.
#[test]
fn label_values_are_names_and_words() {
    let seen = {
        let nodes = vec![sums(1, "near", &busy()), sums(2, "db-2", &busy())];
        let recorder = DebuggingRecorder::new();
        let exporter = Exporter::new("billing");
        metrics::with_local_recorder(&recorder, || exporter.export(|| cluster(nodes)));
        recorder.snapshotter().snapshot().into_vec()
    };
    for (key, ..) in seen {
        for label in key.key().labels() {
            let known = match label.key() {
                "cluster" => label.value() == "billing",
                "version" => label.value() == env!("CARGO_PKG_VERSION"),
                "node" => ["near", "db-2"].contains(&label.value()),
                "role" => Role::ALL.iter().any(|word| word.as_str() == label.value()),
                "intent" => Intent::ALL
                    .iter()
                    .any(|word| word.as_str() == label.value()),
                "reason" if key.key().name() == "sealane_node_eligible" => {
                    label.value() == "eligible"
                }
                "reason" => Reason::ALL
                    .iter()
                    .any(|word| word.as_str() == label.value()),
                "cause" => RetryCause::ALL
                    .iter()
                    .any(|word| word.as_str() == label.value()),
                "kind" => FailureKind::ALL
                    .iter()
                    .any(|word| word.as_str() == label.value()),
                _ => false,
            };
            assert!(known, "{label:?}");
        }
    }
}

/// A recorder keeps what it was given last, and nobody else tells it that this is over.
#[test]
fn a_lag_that_nobody_can_tell_any_more_is_no_number() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let exporter = Exporter::new("default");
    let metrics = NodeMetrics::default();
    let lags = || {
        let series = snapshotter.snapshot().into_vec().into_iter();
        let lags = series.filter(|(key, ..)| key.key().name().starts_with("sealane_node_lag_"));
        lags.map(|(.., value)| match value {
            DebugValue::Gauge(value) => value.0,
            other => panic!("no gauge: {other:?}"),
        })
        .collect::<Vec<_>>()
    };
    metrics::with_local_recorder(&recorder, || {
        let mut untold = sums(1, "db2", &metrics);
        untold.observed.lag = None;
        untold.observed.bytes = None;
        // What was never told has no series.
        exporter.export(|| cluster(vec![untold.clone()]));
        assert!(lags().is_empty());
        exporter.export(|| cluster(vec![sums(1, "db2", &metrics)]));
        assert_eq!(lags(), [1.5, 7.0]);
        for nodes in [vec![untold], vec![]] {
            exporter.export(|| cluster(nodes));
            assert!(lags().iter().all(|lag| lag.is_nan()) && lags().len() == 2);
        }
    });
}
