//! What a collector would get of a few statements: their spans and metrics, printed. No collector is needed.
//!
//! `cargo run --example otel --features otel` runs on a SQLite file; with `DATABASE_URL` (and `DATABASE_REPLICA_URLS`) on
//! your servers, where it makes the table `otel_note` and drops it again.
//!
//! A service puts an exporter of the crate `opentelemetry-otlp` in the place of the two that print here.

#![expect(clippy::print_stdout, reason = "this example is for reading")]

use std::fmt::Display;

use opentelemetry::{
    KeyValue, SpanId,
    metrics::MeterProvider,
    trace::{Status, TracerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider, data},
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, Schema,
    TransactionTrait,
};
use sealane::RoutedConnection;
use tracing::Instrument;
use tracing_subscriber::{
    Layer, filter::dynamic_filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "otel_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(Printer)
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracers.tracer("shop"))
        // Where in the code a span was made, and how long it was polled: of no interest here.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // From INFO up, and without SeaORM's span of a statement that has one of ours.
        .with_filter(dynamic_filter_fn(|metadata, _| {
            *metadata.level() <= tracing::Level::INFO && sealane::otel::once(metadata)
        }));
    tracing_subscriber::registry().with(spans).init();

    let folder = tempfile::tempdir()?;
    let db = match std::env::var_os("DATABASE_URL") {
        Some(_) => RoutedConnection::from_env().await?,
        None => {
            let url = format!("sqlite://{}/shop.db?mode=rwc", folder.path().display());
            RoutedConnection::builder().primary(url).connect().await?
        }
    };
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    db.cluster().measure(&meters.meter("shop"))?;

    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(note::Entity))
        .await?;
    let worked = serve(&db)
        .instrument(tracing::info_span!("GET /notes"))
        .await;
    db.execute_unprepared("DROP TABLE otel_note").await?;
    worked?;

    meters.force_flush()?;
    println!("\nmetrics:");
    for metric in exporter.get_finished_metrics()?.iter().flat_map(of) {
        println!("  {} {}", metric.name(), metric.unit());
        print_series(metric);
    }
    db.close().await?;
    Ok(())
}

/// One request of a web application.
async fn serve(db: &RoutedConnection) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    let milk = note::ActiveModel {
        text: Set("buy milk".into()),
        ..Default::default()
    };
    milk.insert(&txn).await?;
    txn.commit().await?;
    note::Entity::find().all(db).await?;
    // The literal is not shown; what is bound never is.
    db.execute_unprepared("UPDATE otel_note SET text = 'secret'")
        .await?;
    // An error has its code in the span.
    let _ = db.execute_unprepared("SELECT * FROM nowhere").await;
    Ok(())
}

/// Prints spans as they end.
#[derive(Debug)]
struct Printer;

impl SpanExporter for Printer {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            let took = span.end_time.duration_since(span.start_time);
            let indent = match span.parent_span_id == SpanId::INVALID {
                true => "",
                false => "  ",
            };
            let failed = matches!(span.status, Status::Error { .. });
            println!(
                "{indent}{} ({:?}){}",
                span.name,
                took.unwrap_or_default(),
                if failed { " failed" } else { "" }
            );
            for KeyValue { key, value, .. } in span.attributes {
                println!("{indent}    {key} = {value}");
            }
        }
        Ok(())
    }
}

fn of(all: &data::ResourceMetrics) -> impl Iterator<Item = &data::Metric> {
    all.scope_metrics().flat_map(|scope| scope.metrics())
}

fn print_series(metric: &data::Metric) {
    match metric.data() {
        data::AggregatedMetrics::F64(data) => print_data(data),
        data::AggregatedMetrics::U64(data) => print_data(data),
        data::AggregatedMetrics::I64(data) => print_data(data),
    }
}

fn print_data<T: Copy + Display>(data: &data::MetricData<T>) {
    match data {
        data::MetricData::Histogram(all) => {
            for point in all.data_points() {
                let of = words(point.attributes());
                println!("    {} values, in all {}: {of}", point.count(), point.sum());
            }
        }
        data::MetricData::Sum(all) => {
            for point in all.data_points() {
                println!("    {}: {}", point.value(), words(point.attributes()));
            }
        }
        _ => {}
    }
}

fn words<'a>(of: impl Iterator<Item = &'a KeyValue>) -> String {
    let words: Vec<String> = of.map(|own| format!("{}={}", own.key, own.value)).collect();
    words.join(" ")
}
