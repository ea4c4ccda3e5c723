//! What a collector would get: spans by `tracing-opentelemetry`, kept in memory. A test sees those below a span of its own.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use opentelemetry::{
    Value,
    trace::{SpanId, Status, TraceId, TracerProvider},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use sealane::RoutedConnection;
use tempfile::TempDir;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::SubscriberExt};

static EXPORTED: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("test"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(dynamic_filter_fn(|metadata, _| {
            // Below that SeaORM has spans of its functions.
            let info = *metadata.level() <= tracing::Level::INFO;
            metadata.is_span() && info && sealane::otel::once(metadata)
        }));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans)).unwrap();
    exporter
});

/// What happened below one span.
pub struct Recorded {
    pub root: SpanId,
    pub spans: Vec<SpanData>,
}

/// Runs it below a span of its own, and waits until so many spans of ours are there.
pub async fn record<T>(count: usize, work: impl Future<Output = T>) -> (T, Recorded) {
    LazyLock::force(&EXPORTED);
    let span = tracing::info_span!("test");
    let context = span_context(&span);
    let done = work.instrument(span).await;
    (done, recorded(context, count).await)
}

fn span_context(span: &Span) -> (TraceId, SpanId) {
    use opentelemetry::trace::TraceContextExt;
    let context = span.context();
    let context = context.span().span_context().clone();
    (context.trace_id(), context.span_id())
}

async fn recorded((trace, root): (TraceId, SpanId), count: usize) -> Recorded {
    let begun = Instant::now();
    loop {
        let all = EXPORTED.get_finished_spans().unwrap();
        let ours = |span: &SpanData| {
            span.span_context.trace_id() == trace && span.span_context.span_id() != root
        };
        // The root is closed after all that the test did below it.
        let over = all.iter().any(|span| span.span_context.span_id() == root);
        let mut spans: Vec<SpanData> = all.into_iter().filter(ours).collect();
        if over && spans.len() >= count {
            spans.sort_by_key(|span| span.start_time);
            let names: Vec<_> = spans.iter().map(|span| span.name.clone()).collect();
            assert_eq!(spans.len(), count, "{names:?}");
            return Recorded { root, spans };
        }
        let names: Vec<_> = spans.iter().map(|span| span.name.clone()).collect();
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{over} {names:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Recorded {
    pub fn names(&self) -> Vec<&str> {
        self.spans.iter().map(|span| &*span.name).collect()
    }

    /// The only one.
    pub fn one(&self) -> &SpanData {
        assert_eq!(self.spans.len(), 1, "{:?}", self.names());
        &self.spans[0]
    }
}

/// One of a span's attributes, as text.
pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut found = span.attributes.iter().filter(|own| own.key.as_str() == key);
    let value = found.next()?.value.clone();
    assert!(found.next().is_none(), "{key} stands twice in {span:?}");
    Some(match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    })
}

pub fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

/// A SQLite file as a cluster, with a table of two rows.
pub async fn file() -> (RoutedConnection, TempDir) {
    use sea_orm::ConnectionTrait;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/shop.db?mode=rwc", folder.path().display());
    let db = RoutedConnection::builder().primary(url).connect();
    let db = db.await.unwrap();
    for text in [
        "CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL)",
        "INSERT INTO note VALUES (1, 'one'), (2, 'two')",
    ] {
        db.execute_unprepared(text).await.unwrap();
    }
    (db, folder)
}
