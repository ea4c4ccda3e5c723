//! The conventions' metrics, by the application's meter.

use std::collections::BTreeMap;

use opentelemetry::{KeyValue, metrics::MeterProvider};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, Metric, MetricData},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use sealane::RoutedConnection;

use crate::{conventions::list, recorder::file};

struct Measured {
    provider: SdkMeterProvider,
    exporter: InMemoryMetricExporter,
}

/// One series: what it is of, how many values it has, and their sum; a gauge's value is the sum.
#[derive(Debug)]
struct Series {
    of: BTreeMap<String, String>,
    count: u64,
    sum: f64,
    bounds: Vec<f64>,
}

impl Measured {
    fn new(db: &RoutedConnection) -> Self {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        db.cluster().measure(&provider.meter("sealane")).unwrap();
        // A second time changes nothing.
        db.cluster().measure(&provider.meter("sealane")).unwrap();
        Self { provider, exporter }
    }

    /// Every metric as it stands now, with its unit.
    fn read(&self) -> BTreeMap<String, (String, Vec<Series>)> {
        self.exporter.reset();
        self.provider.force_flush().unwrap();
        let all = self.exporter.get_finished_metrics().unwrap();
        // Where there is nothing to tell nothing is.
        let last = all.last().into_iter();
        let scopes = last.flat_map(|last| last.scope_metrics());
        let metrics = scopes.flat_map(|scope| scope.metrics());
        let named = |metric: &Metric| {
            (
                metric.name().to_owned(),
                (metric.unit().to_owned(), series(metric)),
            )
        };
        metrics.map(named).collect()
    }
}

fn labels<'a>(of: impl Iterator<Item = &'a KeyValue>) -> BTreeMap<String, String> {
    of.map(|own| (own.key.to_string(), own.value.to_string()))
        .collect()
}

fn series(metric: &Metric) -> Vec<Series> {
    macro_rules! read {
        ($data:expr, $float:expr) => {
            match $data {
                MetricData::Histogram(data) => data
                    .data_points()
                    .map(|point| Series {
                        of: labels(point.attributes()),
                        count: point.count(),
                        sum: $float(point.sum()),
                        bounds: point.bounds().collect(),
                    })
                    .collect(),
                MetricData::Sum(data) => data
                    .data_points()
                    .map(|point| Series {
                        of: labels(point.attributes()),
                        count: 1,
                        sum: $float(point.value()),
                        bounds: Vec::new(),
                    })
                    .collect(),
                other => panic!("{}: {other:?}", metric.name()),
            }
        };
    }
    #[expect(clippy::cast_precision_loss, reason = "the counts of a test")]
    match metric.data() {
        AggregatedMetrics::F64(data) => read!(data, |value| value),
        AggregatedMetrics::U64(data) => read!(data, |value: u64| value as f64),
        AggregatedMetrics::I64(data) => read!(data, |value: i64| value as f64),
    }
}

fn stmt(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, sql)
}

#[tokio::test]
async fn every_metric_is_the_lists() {
    let (db, _folder) = file().await;
    let measured = Measured::new(&db);
    db.query_all_raw(stmt("SELECT id FROM note")).await.unwrap();
    db.execute_unprepared("INSERT INTO note VALUES (1, 'x')")
        .await
        .unwrap_err();
    let list = list();
    let rows = list["metrics"].as_object().unwrap();
    let read = measured.read();
    for (name, (unit, all)) in &read {
        let row = rows
            .get(name)
            .unwrap_or_else(|| panic!("{name} stands in no list"));
        assert_eq!(row["unit"], **unit, "{name}");
        for one in all {
            let bounds: Vec<f64> = match row["buckets"].as_array() {
                Some(bounds) => bounds.iter().map(|bound| bound.as_f64().unwrap()).collect(),
                None => Vec::new(),
            };
            assert_eq!(one.bounds, bounds, "{name}");
            let attributes = list["span"]["attributes"].as_object().unwrap();
            for key in one.of.keys() {
                let known = match row["of"].as_str().unwrap() {
                    "statement" => attributes.contains_key(key) && key != "db.query.text",
                    _ => {
                        key == "db.client.connection.pool.name"
                            || key == "db.client.connection.state"
                    }
                };
                assert!(known, "{name} has {key}");
            }
        }
    }
    for (name, row) in rows {
        assert_eq!(
            read.contains_key(name),
            row.get("missing").is_none(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_statement_counts_once_with_all_that_it_took() {
    let (db, _folder) = file().await;
    let measured = Measured::new(&db);
    for _ in 0..3 {
        let read = db.query_all_raw(stmt("SELECT id FROM note")).await.unwrap();
        assert_eq!(read.len(), 2);
    }
    let txn = db.begin().await.unwrap();
    txn.query_one_raw(stmt("SELECT id FROM note"))
        .await
        .unwrap();
    txn.commit().await.unwrap();
    db.execute_unprepared("INSERT INTO note VALUES (1, 'x')")
        .await
        .unwrap_err();
    let read = measured.read();
    let (_, durations) = &read["db.client.operation.duration"];
    let total: u64 = durations.iter().map(|one| one.count).sum();
    assert_eq!(total, 7, "{durations:?}");
    let reads = durations.iter().find(|one| {
        one.of
            .get("db.query.summary")
            .is_some_and(|text| text == "SELECT note")
            && one.count == 3
    });
    let reads = reads.unwrap_or_else(|| panic!("{durations:?}"));
    assert_eq!(reads.of["sealane.role"], "replica");
    assert!(!reads.of.contains_key("error.type"));
    let failed = durations
        .iter()
        .find(|one| one.of.contains_key("error.type"));
    assert_eq!(failed.unwrap().of["error.type"], "1555");
    let (_, rows) = &read["db.client.response.returned_rows"];
    let sum: f64 = rows.iter().map(|one| one.sum).sum();
    assert!((sum - 7.0).abs() < 0.1, "{rows:?}");
    let (_, used) = &read["db.client.connection.use_time"];
    let all: u64 = used.iter().map(|one| one.count).sum();
    assert_eq!(all, 5, "three reads, a transaction and a write: {used:?}");
}

#[tokio::test]
async fn a_pools_connections_are_told_by_their_state() {
    let (db, _folder) = file().await;
    let measured = Measured::new(&db);
    let holder = db.begin().await.unwrap();
    let read = measured.read();
    let (_, count) = &read["db.client.connection.count"];
    let of = |state: &str| {
        let one = count.iter().find(|one| {
            one.of["db.client.connection.pool.name"] == "shop.db"
                && one.of["db.client.connection.state"] == state
        });
        one.unwrap_or_else(|| panic!("{count:?}")).sum
    };
    assert!((of("used") - 1.0).abs() < 0.1, "{count:?}");
    holder.rollback().await.unwrap();
}

/// Telemetry keeps nothing alive that the application has dropped.
#[tokio::test]
async fn a_dropped_cluster_is_not_read_any_more() {
    let (db, _folder) = file().await;
    let measured = Measured::new(&db);
    assert!(measured.read().contains_key("db.client.connection.count"));
    drop(db);
    let begun = std::time::Instant::now();
    while measured.read().contains_key("db.client.connection.count") {
        assert!(begun.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
