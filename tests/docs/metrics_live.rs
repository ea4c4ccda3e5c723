//! What an operator sees of real statements: counters by node, role, intent and reason, and traces with every decision
//! (the last promise of the README). The recorder is installed after the connect and still sees everything.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sea_orm::{ConnectionTrait, StreamTrait, TransactionOptions, TransactionTrait};
use sealane::RoutedConnection;
use sealane_harness::Cluster;
use tracing::Level;

use crate::{
    capture::Log,
    fixture::{sql, until},
};

/// What a recorder has at one moment, by `name{label=value,…}`, with what it was told of each name.
struct Seen {
    values: BTreeMap<String, DebugValue>,
    undescribed: Vec<String>,
}

impl Seen {
    /// Publishes on demand, into this recorder.
    async fn of(db: &RoutedConnection, recorder: &DebuggingRecorder) -> Self {
        let _guard = metrics::set_default_local_recorder(recorder);
        db.cluster().export_metrics().await.unwrap();
        let mut seen = Self {
            values: BTreeMap::new(),
            undescribed: Vec::new(),
        };
        for (key, unit, text, value) in recorder.snapshotter().snapshot().into_vec() {
            let key = key.key();
            let labels = key
                .labels()
                // Numbered where tests of this binary run beside each other.
                .filter(|label| label.key() != "cluster")
                .map(|label| format!("{}={}", label.key(), label.value()));
            let labels: Vec<_> = labels.collect();
            if unit.is_none() || text.is_none_or(|text| text.is_empty()) {
                seen.undescribed.push(key.name().to_owned());
            }
            seen.values
                .insert(format!("{}{{{}}}", key.name(), labels.join(",")), value);
        }
        seen
    }

    /// A counter or gauge; zero when it was never published.
    fn number(&self, key: &str) -> u64 {
        match self.values.get(key) {
            Some(DebugValue::Counter(value)) => *value,
            Some(DebugValue::Gauge(value)) => value.into_inner().to_string().parse().unwrap(),
            Some(other) => panic!("{key} is {other:?}"),
            None => 0,
        }
    }

    /// How many values a histogram got since the last look.
    fn count(&self, key: &str) -> usize {
        match self.values.get(key) {
            Some(DebugValue::Histogram(values)) => values.len(),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn statements(&self, node: &str, [role, intent, reason]: [&str; 3]) -> u64 {
        self.number(&format!(
            "sealane_statements_total{{node={node},role={role},intent={intent},reason={reason}}}"
        ))
    }
}

fn options() -> TransactionOptions {
    TransactionOptions {
        access_mode: Some(sea_orm::AccessMode::ReadOnly),
        ..Default::default()
    }
}

#[tokio::test]
async fn statements_are_counted_by_node_role_intent_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let url = format!("sqlite://{}?mode=rwc&name=writer", path.display());
    let db = RoutedConnection::builder()
        .primary(url)
        .connect()
        .await
        .unwrap();
    db.execute_unprepared("CREATE TABLE t (i int)")
        .await
        .unwrap();
    for _ in 0..3 {
        db.query_all_raw(sql(&db, "SELECT i FROM t")).await.unwrap();
    }
    db.query_one_raw(sql(&db, "INSERT INTO t VALUES (1) RETURNING i"))
        .await
        .unwrap();
    db.primary()
        .query_one_raw(sql(&db, "SELECT i FROM t"))
        .await
        .unwrap();
    db.replica()
        .query_one_raw(sql(&db, "SELECT i FROM t"))
        .await
        .unwrap();
    db.query_one_raw(sql(&db, "SELEC")).await.unwrap_err();
    db.begin().await.unwrap().commit().await.unwrap();
    db.begin_with_options(options())
        .await
        .unwrap()
        .commit()
        .await
        .unwrap();
    let stream = db.stream_raw(sql(&db, "SELECT i FROM t")).await.unwrap();

    // A transaction's connection goes back a moment after its end.
    let used = "sealane_pool_used_connections{node=writer (readers)}";
    until("only the stream has a connection", async || {
        let other = DebuggingRecorder::new();
        Seen::of(&db, &other).await.number(used) == 1
    })
    .await;
    // This recorder has not listened so far.
    let recorder = DebuggingRecorder::new();
    let seen = Seen::of(&db, &recorder).await;
    let [writer, reader] = ["writer", "writer (readers)"];
    for (node, words, count) in [
        (writer, ["primary", "write", "execute"], 1),
        (writer, ["primary", "write", "write"], 1),
        (writer, ["primary", "read", "forced"], 1),
        (writer, ["primary", "primary", "unparsed"], 1),
        (writer, ["primary", "write", "transaction"], 1),
        (reader, ["replica", "read", "replica"], 4),
        (reader, ["replica", "read", "forced"], 1),
        (reader, ["replica", "read", "read_only_transaction"], 1),
    ] {
        assert_eq!(
            seen.statements(node, words),
            count,
            "{node} {words:?} in {:#?}",
            seen.values
        );
    }
    assert_eq!(
        seen.number("sealane_in_flight{node=writer (readers)}"),
        1,
        "the stream is open"
    );
    assert_eq!(seen.number("sealane_in_flight{node=writer}"), 0);
    assert_eq!(
        seen.number("sealane_node_role{node=writer,role=primary}"),
        1
    );
    assert_eq!(
        seen.number("sealane_node_role{node=writer (readers),role=replica}"),
        1
    );
    assert_eq!(
        seen.number("sealane_pool_max_connections{node=writer (readers)}"),
        10
    );
    assert!(seen.number("sealane_pool_connections{node=writer}") >= 1);
    // Two texts were judged; the INSERT is known by its first keyword, and nothing handed to `execute` is asked.
    let misses = seen.number("sealane_intent_cache_misses_total{}");
    let hits = seen.number("sealane_intent_cache_hits_total{}");
    assert_eq!((misses, hits), (2, 6), "{:#?}", seen.values);
    assert_eq!(seen.count("sealane_statement_seconds{node=writer}"), 4);
    assert!(seen.undescribed.is_empty(), "{:?}", seen.undescribed);

    drop(stream);
    let seen = Seen::of(&db, &recorder).await;
    assert_eq!(seen.number("sealane_in_flight{node=writer (readers)}"), 0);
    assert_eq!(
        seen.count("sealane_statement_seconds{node=writer (readers)}"),
        1,
        "the stream has ended"
    );
}

#[tokio::test]
async fn decisions_are_debug_changes_are_info_and_statements_are_silent_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("a.db").display());
    let (log, guard) = Log::listen(Level::INFO);
    let db = RoutedConnection::builder()
        .primary(url)
        .connect()
        .await
        .unwrap();
    let started = log.take();
    assert!(started.contains("sealane"), "{started}");
    assert_eq!(
        started.matches("connecting").count(),
        1,
        "the configuration is logged once: {started}"
    );
    for _ in 0..50 {
        db.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
        db.execute_unprepared("CREATE TABLE IF NOT EXISTS t (i int)")
            .await
            .unwrap();
    }
    let txn = db.begin().await.unwrap();
    txn.commit().await.unwrap();
    let said: Vec<String> = log.take_events().lines().map(str::to_owned).collect();
    let ours: Vec<_> = said
        .iter()
        // The span of a cluster's tasks may close when the start is over.
        .filter(|line| line.contains("sealane") && !line.contains("cluster::name: close"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
    db.cluster().drain("a.db (readers)").unwrap();
    until("the drain is told", async || log.text().contains("drains")).await;
    let line = log.text();
    assert!(
        line.contains("INFO") && line.contains("node=\"a.db (readers)\""),
        "{line}"
    );
    db.cluster().resume("a.db (readers)").unwrap();
    until("the return is told", async || {
        log.text().contains("resumed")
    })
    .await;
    drop(guard);

    let (log, _guard) = Log::listen(Level::DEBUG);
    db.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
    let text = log.text();
    let decisions: Vec<_> = text
        .lines()
        .filter(|line| line.contains("sealane::decision"))
        .collect();
    let [decision] = decisions.as_slice() else {
        panic!("{text}");
    };
    for part in [
        "DEBUG",
        "node=\"a.db (readers)\"",
        "role=\"replica\"",
        "intent=\"read\"",
        "reason=\"replica\"",
    ] {
        assert!(decision.contains(part), "{part} is not in {decision}");
    }
}

/// A killed replica: an ejection, errors, retries and diversions are counted; back again: a re-admission.
#[tokio::test]
async fn ejections_and_readmissions_are_counted_and_no_label_is_an_address() {
    let cluster = Cluster::builder().standbys(1).start().unwrap();
    let (primary, standby) = (cluster.primary(), cluster.standby(0));
    let (log, _guard) = Log::listen(Level::INFO);
    let db = RoutedConnection::builder()
        .primary(format!("{}?name=main", primary.url()))
        .replica(format!("{}?name=copy", standby.url()))
        .consistency(sealane::Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    let recorder = DebuggingRecorder::new();
    db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap();
    standby.kill().unwrap();

    until("the replica is ejected", async || {
        db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap();
        db.cluster().topology().nodes[1].ineligible.is_some()
    })
    .await;
    db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap();
    let seen = Seen::of(&db, &recorder).await;
    assert_eq!(seen.number("sealane_ejections_total{node=copy}"), 1);
    assert_eq!(seen.number("sealane_readmissions_total{node=copy}"), 0);
    assert!(seen.statements("main", ["primary", "read", "no_replica"]) >= 1);
    assert!(seen.number("sealane_diverted_reads_total{}") >= 1);
    assert!(
        seen.number("sealane_connection_errors_total{node=copy}") >= 1,
        "{:#?}",
        seen.values
    );

    standby.start().unwrap();
    until("the replica is back", async || {
        db.cluster().topology().nodes[1].ineligible.is_none()
    })
    .await;
    db.query_one_raw(sql(&db, "SELECT 1")).await.unwrap();
    let seen = Seen::of(&db, &recorder).await;
    assert_eq!(seen.number("sealane_readmissions_total{node=copy}"), 1);
    assert!(seen.number("sealane_snapshot_changes_total{}") >= 2);
    assert!(seen.undescribed.is_empty(), "{:?}", seen.undescribed);
    for key in seen.values.keys() {
        let address = key.contains("127.0.0.1") || key.contains(&standby.port().to_string());
        assert!(!address && !key.contains("postgres"), "{key}");
    }
    let text = log.text();
    for part in [
        "WARN",
        "taken out: it gets no statements",
        "INFO",
        "answers again: its share of reads grows",
        "node=\"copy\"",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
