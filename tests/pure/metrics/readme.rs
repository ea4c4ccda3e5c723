//! The README's table of metrics against the code.

use crate::metrics::{ALL, Kind};

fn markdown() -> String {
    let rows = ALL.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<_> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        format!(
            "| `{}` | {kind} | {} | {} |",
            metric.name,
            labels.join(", "),
            metric.text
        )
    });
    let head = ["| name | kind | labels | what |", "|---|---|---|---|"].map(str::to_owned);
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_has_the_table_of_metrics() {
    let readme = include_str!("../../../README.md");
    let table = readme
        .split_once("<!-- metrics -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /metrics -->"))
        .map(|(table, _)| table.trim());
    let wanted = markdown();
    assert!(
        table == Some(wanted.trim()),
        "the README's table of metrics should be\n{wanted}"
    );
}
