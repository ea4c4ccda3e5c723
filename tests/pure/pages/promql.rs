//! As much of PromQL as the files for operators use: which metrics a text names, and which labels it asks of them.
//!
//! A whole parser would be a dependency for one test; what is not read here is refused, so that nothing passes unseen.

use std::collections::BTreeSet;

use crate::{
    metrics::{ALL, Metric, MetricKind},
    vocabulary::{Ineligible, Intent, Reason, RetryCause, Role},
};

/// Labels that Prometheus adds, or that every metric has.
const COMMON: [&str; 3] = ["cluster", "instance", "job"];

/// What a recorder makes of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// One metric that a text names.
pub(super) struct Named<'a> {
    at: usize,
    pub(super) name: &'a str,
    matchers: Vec<(&'a str, &'a str)>,
}

impl Named<'_> {
    pub(super) fn asks_for(&self, label: &str) -> bool {
        self.matchers.iter().any(|(asked, _)| *asked == label)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// The labels between braces with their values, if the text begins with one; values may hold anything.
fn matchers(text: &str) -> Vec<(&str, &str)> {
    let Some(text) = text.strip_prefix('{') else {
        return Vec::new();
    };
    // Every second part is a value in quotes.
    let parts: Vec<&str> = text.split('"').collect();
    let mut matchers = Vec::new();
    for pair in parts.chunks(2) {
        let (before, is_last) = match pair[0].split_once('}') {
            Some((before, _)) => (before, true),
            None => (pair[0], false),
        };
        let label = word(before.trim_start_matches([',', ' ']));
        let value = pair.get(1).copied().unwrap_or_default();
        matchers.extend((!label.is_empty()).then_some((label, value)));
        if is_last {
            break;
        }
    }
    matchers
}

/// Every metric of ours that a text names, in its order.
pub(super) fn named(text: &str) -> Vec<Named<'_>> {
    let found = text.match_indices("sealane_");
    let found = found.filter(|(at, _)| !text[..*at].ends_with(is_word));
    let found = found.map(|(at, _)| {
        let name = word(&text[at..]);
        let matchers = matchers(&text[at + name.len()..]);
        Named { at, name, matchers }
    });
    // The beginning of a name is none.
    found.filter(|named| named.name != "sealane_").collect()
}

/// The metric of the table that is exported under this name.
fn metric(name: &str) -> Option<&'static Metric> {
    let exported = |metric: &&&Metric| {
        let is_part = |suffix| name.strip_suffix(suffix) == Some(metric.name);
        let is_histogram = metric.kind == MetricKind::Histogram;
        metric.name == name || (is_histogram && SUFFIXES.into_iter().any(is_part))
    };
    ALL.iter().find(exported).copied()
}

/// What is wrong with the label of a metric, if anything is.
fn label_problem(name: &str, label: &str) -> Option<String> {
    let known = metric(name).is_none_or(|metric| metric.labels.contains(&label));
    let of_bucket = label == "le" && name.ends_with("_bucket");
    (!known && !of_bucket && !COMMON.contains(&label))
        .then(|| format!("{name} has no label `{label}`"))
}

/// All that a label says, where that is a closed set.
fn words(name: &str, label: &str) -> Option<Vec<&'static str>> {
    let words = match label {
        "role" => Role::ALL.iter().map(|word| word.as_str()).collect(),
        "intent" => Intent::ALL.iter().map(|word| word.as_str()).collect(),
        "cause" => RetryCause::ALL.iter().map(|word| word.as_str()).collect(),
        "reason" if name == "sealane_node_eligible" => {
            let reasons = Ineligible::ALL.iter().map(|word| word.as_str());
            reasons.chain([Ineligible::ELIGIBLE]).collect()
        }
        "reason" => Reason::ALL.iter().map(|word| word.as_str()).collect(),
        _ => return None,
    };
    Some(words)
}

/// What is wrong with the names in a text and with their matchers.
pub(super) fn problems_of_names(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for Named { name, matchers, .. } in named(text) {
        if metric(name).is_none() {
            problems.push(format!("{name} is exported nowhere"));
        }
        for (label, value) in matchers {
            problems.extend(label_problem(name, label));
            // As a regular expression it may be several.
            let unknown = value
                .split('|')
                .filter(|value| words(name, label).is_some_and(|words| !words.contains(value)));
            problems.extend(unknown.map(|value| format!("{name}: `{label}` is never `{value}`")));
        }
    }
    problems
}

/// One list of labels in an expression: `by (…)` or `on (…)`.
struct Grouping<'a> {
    at: usize,
    keyword: &'a str,
    labels: Vec<&'a str>,
}

fn groupings(expr: &str) -> Vec<Grouping<'_>> {
    let mut found = Vec::new();
    for (at, _) in expr.match_indices('(') {
        let before = expr[..at].trim_end();
        let begin = before.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        let keyword = &before[begin..];
        if ![
            "by",
            "on",
            "without",
            "ignoring",
            "group_left",
            "group_right",
        ]
        .contains(&keyword)
        {
            continue;
        }
        let list = expr[at + 1..].split(')').next().unwrap_or_default();
        let labels = list.split(',').map(str::trim).collect();
        found.push(Grouping {
            at,
            keyword,
            labels,
        });
    }
    found
}

/// The labels that the result of an expression has: those of its first `by (…)`.
pub(super) fn result_labels(expr: &str) -> BTreeSet<&str> {
    let first = groupings(expr)
        .into_iter()
        .find(|group| group.keyword == "by");
    first.map_or_else(BTreeSet::new, |group| group.labels.into_iter().collect())
}

/// What is wrong with an expression. The labels of `by` are those of the metric behind it, the labels of `on` those of
/// the metrics before and behind it.
pub(super) fn problems(expr: &str) -> Vec<String> {
    let mut problems = problems_of_names(expr);
    let named = named(expr);
    if named.is_empty() {
        problems.push(format!("{expr:?} names no metric"));
    }
    for Named { name, .. } in &named {
        if metric(name)
            .is_some_and(|metric| metric.kind == MetricKind::Histogram && metric.name == *name)
        {
            problems.push(format!(
                "{name} is a histogram: ask for one of {SUFFIXES:?}"
            ));
        }
    }
    for group in groupings(expr) {
        let behind = named.iter().find(|named| named.at > group.at);
        let before = named.iter().rfind(|named| named.at < group.at);
        let metrics = match group.keyword {
            "by" => vec![behind],
            "on" => vec![before, behind],
            other => {
                problems.push(format!("`{other}` is not read by this test"));
                continue;
            }
        };
        for metric in metrics {
            let Some(metric) = metric else {
                problems.push(format!("write `{} (…)` before its metric", group.keyword));
                continue;
            };
            let labels = group.labels.iter();
            problems.extend(labels.filter_map(|label| label_problem(metric.name, label)));
        }
    }
    problems
}

/// The words that follow each `before`: what a text for people says of labels.
pub(super) fn words_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    let rests = text.split(before).skip(1);
    rests.filter_map(|rest| {
        rest.split(|c: char| !c.is_ascii_lowercase() && c != '_')
            .next()
    })
}
