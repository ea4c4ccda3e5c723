//! The table of metrics in `docs/metrics.md`.

use crate::metrics::{ALL, MetricKind};

fn table() -> String {
    let rows = ALL.iter().map(|metric| {
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let labels: Vec<_> = labels.collect();
        format!(
            "| `{}` | {kind} | {} | {} |\n",
            metric.name,
            labels.join(", "),
            metric.text
        )
    });
    let head = "| name | kind | labels | what |\n|---|---|---|---|\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

#[test]
fn the_page_has_the_metrics() {
    super::shows("docs/metrics.md", "metrics", &table());
}
