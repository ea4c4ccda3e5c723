//! What operators read and load, `docs/tuning.md` and `docs/dashboard.json`: names and labels are those that are exported,
//! and nothing of the table is left out. Prometheus' own checker reads the queries and the alerts, where it is there.

use std::{collections::BTreeSet, fs, io, path::Path, process::Command};

use serde_json::Value;

use super::{
    alerts::alerts,
    promql::{named, problems, problems_of_names, result_labels, words_after},
    read, root,
};
use crate::metrics::ALL;

/// Every panel's queries, with what each is called in the legend.
fn queries(dashboard: &Value) -> Vec<(&str, &str)> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let queries: Vec<_> = targets
        .flatten()
        .map(|target| {
            let legend = target["legendFormat"].as_str();
            (target["expr"].as_str().unwrap(), legend.unwrap_or_default())
        })
        .collect();
    assert!(queries.len() > 20, "too few queries: {queries:#?}");
    queries
}

fn dashboard() -> Value {
    serde_json::from_str(&read("docs/dashboard.json")).unwrap()
}

#[test]
fn a_panel_asks_for_what_is_exported_of_the_cluster_that_is_chosen() {
    let dashboard = dashboard();
    let mut wrong = problems_of_names(&dashboard.to_string().replace("\\\"", "\""));
    for (expr, legend) in queries(&dashboard) {
        wrong.extend(problems(expr));
        let kept = result_labels(expr);
        let unknown = words_after(legend, "{{").filter(|label| !kept.contains(label));
        wrong.extend(unknown.map(|label| format!("{expr}: its result has no `{label}`")));
        for metric in named(expr) {
            if !metric.asks_for("cluster") {
                wrong.push(format!("{expr}: {} is of every cluster", metric.name));
            }
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["datasource", "cluster"]);
    assert!(wrong.is_empty(), "docs/dashboard.json: {wrong:#?}");
}

#[test]
fn the_page_on_tuning_has_every_metric_and_every_alert() {
    let page = read("docs/tuning.md");
    let mut wrong = problems_of_names(&page);
    let metrics = ALL.iter().map(|metric| metric.name.to_owned());
    let alerts: BTreeSet<_> = alerts()
        .into_iter()
        .map(|alert| alert["alert"].clone())
        .collect();
    let missing = metrics.chain(alerts.iter().cloned());
    let missing = missing.filter(|name| !page.contains(&format!("`{name}`")));
    wrong.extend(missing.map(|name| format!("{name} is missing")));
    for page in ["docs/tuning.md", "docs/runbooks.md"] {
        let text = read(page);
        wrong.extend(problems_of_names(&text));
        let named = text.split('`').skip(1).step_by(2);
        let named = named.filter(|word| word.starts_with("Sealane") && !alerts.contains(*word));
        wrong.extend(named.map(|name| format!("{page}: there is no alert {name}")));
    }
    assert!(wrong.is_empty(), "docs/tuning.md: {wrong:#?}");
}

/// The tests above see what they should see.
#[test]
fn a_wrong_name_and_a_wrong_label_are_found() {
    for (expr, wanted) in [
        (
            "sum by (cluster, node) (rate(sealane_retries_total{node=~\"a,}|b\", cause!=\"lost\"}[5m])) > 0",
            None,
        ),
        (
            "histogram_quantile(0.9, sum by (le) (rate(sealane_covered_seconds_bucket[5m])))",
            None,
        ),
        (
            "sealane_node_healthy == 0",
            Some("sealane_node_healthy is exported nowhere"),
        ),
        (
            "sealane_node_health_count",
            Some("sealane_node_health_count is exported nowhere"),
        ),
        (
            "sealane_covered_seconds",
            Some("sealane_covered_seconds is a histogram"),
        ),
        (
            "sealane_has_primary{a=\"x\", node=\"b\"}",
            Some("sealane_has_primary has no label `node`"),
        ),
        (
            "sum by (node) (sealane_waiters)",
            Some("sealane_waiters has no label `node`"),
        ),
        (
            "sum by (le) (sealane_covered_seconds_sum)",
            Some("sealane_covered_seconds_sum has no label `le`"),
        ),
        (
            "sealane_in_flight and on (node) sealane_waiters",
            Some("sealane_waiters has no label `node`"),
        ),
        (
            "sum(sealane_in_flight) by (node)",
            Some("write `by (…)` before its metric"),
        ),
        (
            "sum without (node) (sealane_in_flight)",
            Some("`without` is not read"),
        ),
        (
            "sealane_retries_total{cause=~\"lost|found\"}",
            Some("sealane_retries_total: `cause` is never `found`"),
        ),
        (
            "sealane_node_eligible{reason=\"no_replica\"}",
            Some("sealane_node_eligible: `reason` is never `no_replica`"),
        ),
        ("up == 0", Some("names no metric")),
    ] {
        let found = problems(expr);
        let as_wanted = match wanted {
            None => found.is_empty(),
            Some(wanted) => found.iter().any(|why| why.contains(wanted)),
        };
        assert!(as_wanted, "{expr}: {found:?}");
    }
}

/// Runs Prometheus' own checker, if it is there.
fn promtool(arguments: &[&str], file: &Path) -> bool {
    match Command::new("promtool").args(arguments).arg(file).output() {
        Ok(done) => {
            let said = [done.stdout, done.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(done.status.success(), "{}: {said}", file.display());
            true
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => false,
        Err(err) => panic!("promtool: {err}"),
    }
}

#[test]
#[allow(
    clippy::print_stderr,
    reason = "whoever runs it learns what was not checked"
)]
fn prometheus_accepts_the_alerts_and_the_queries_and_fires_as_meant() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("dashboard.yml");
    let dashboard = dashboard();
    let recorded = queries(&dashboard)
        .into_iter()
        .enumerate()
        .map(|(index, (expr, _))| {
            let expr = expr.replace("$__rate_interval", "5m").replace('\'', "''");
            format!("      - record: query_{index}\n        expr: '{expr}'\n")
        });
    let head = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    fs::write(
        &rules,
        std::iter::once(head).chain(recorded).collect::<String>(),
    )
    .unwrap();
    let fires = root().join("tests/pure/pages/alerts_fire.yml");
    let checked = promtool(&["check", "rules"], &root().join("docs/alerts.yml"))
        && promtool(&["check", "rules"], &rules)
        && promtool(&["test", "rules"], &fires);
    if !checked {
        eprintln!(
            "promtool is not there (Debian: prometheus): the rules were read by our own eyes alone"
        );
    }
}
