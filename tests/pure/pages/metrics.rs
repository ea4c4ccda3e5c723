//! The table of metrics in `docs/metrics.md`.

use crate::{
    metrics::{ALL, MetricKind},
    vocabulary::Ineligible,
};

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

/// The values of the label `reason`.
fn reasons() -> String {
    let rows = Ineligible::ALL.iter().map(|why| {
        let (word, advice) = (why.as_str(), why.advice());
        format!("| `{word}` | {why} | {advice} |\n")
    });
    let eligible = format!("| `{}` | serves reads | – |\n", Ineligible::ELIGIBLE);
    let head = "| reason | the node | what to do |\n|---|---|---|\n".to_owned();
    [head, eligible].into_iter().chain(rows).collect()
}

#[test]
fn the_page_has_every_reason_why_a_replica_serves_no_reads() {
    super::shows("docs/metrics.md", "reasons", &reasons());
}

#[test]
fn the_page_has_the_metrics() {
    super::shows("docs/metrics.md", "metrics", &table());
}
