//! The alerting rules in `docs/alerts.yml`: names and labels are those that are exported, and each says what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    promql::{problems, result_labels, words_after},
    read,
};

/// Where the links of alerts lead.
const PAGES: &str = "https://github.com/sealane/sealane/blob/main/";

/// The keys of a rule, as the file writes them.
const KEYS: [&str; 9] = [
    "alert",
    "expr",
    "for",
    "labels",
    "severity",
    "annotations",
    "summary",
    "description",
    "runbook_url",
];

pub(super) type Alert = BTreeMap<&'static str, String>;

/// The rules, read line by line: what begins with none of the keys goes on with the one before.
pub(super) fn alerts() -> Vec<Alert> {
    let text = read("docs/alerts.yml");
    let lines = text.lines().skip_while(|line| !line.contains("- alert:"));
    let mut alerts: Vec<Alert> = Vec::new();
    let mut last = "";
    for line in lines {
        let line = line.trim().trim_start_matches("- ");
        let begins = |key: &&'static str| Some((*key, line.strip_prefix(*key)?.strip_prefix(':')?));
        let (key, value) = KEYS.iter().find_map(begins).unwrap_or((last, line));
        if key == "alert" {
            alerts.push(Alert::new());
        }
        last = key;
        let field = alerts.last_mut().unwrap().entry(key).or_default();
        *field = format!("{field} {}", value.trim()).trim().to_owned();
    }
    assert!(alerts.len() > 10, "too few alerts were found: {alerts:#?}");
    alerts
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let text = read(page);
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    headings
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect()
}

#[test]
fn an_alert_asks_for_what_is_exported_and_says_what_to_do() {
    let mut wrong = Vec::new();
    for alert in alerts() {
        let name = &alert["alert"];
        let expr = alert["expr"].trim_start_matches('|');
        wrong.extend(
            problems(expr)
                .into_iter()
                .map(|why| format!("{name}: {why}")),
        );
        let kept = result_labels(expr);
        for key in ["summary", "description", "runbook_url", "severity"] {
            let text = alert.get(key).map_or("", String::as_str);
            let unknown = words_after(text, "$labels.").filter(|label| !kept.contains(label));
            wrong.extend(unknown.map(|label| format!("{name}: its result has no `{label}`")));
            if text.is_empty() {
                wrong.push(format!("{name} has no {key}"));
            }
        }
        let link = alert
            .get("runbook_url")
            .and_then(|link| link.strip_prefix(PAGES));
        let leads_on = link
            .and_then(|link| link.split_once('#'))
            .is_some_and(|(page, anchor)| anchors(page).contains(anchor));
        if !leads_on {
            wrong.push(format!("{name}: {link:?} is no heading of a page"));
        }
    }
    assert!(wrong.is_empty(), "docs/alerts.yml: {wrong:#?}");
}
