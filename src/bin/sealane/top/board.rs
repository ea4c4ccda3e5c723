//! What is drawn, from the looks so far: rates, how lag went, and what happened.

use std::collections::{BTreeMap, VecDeque};

use super::look::{Look, NodeLook, Statements};

/// How much of a node's lag is remembered.
pub(super) const LAG_KEPT: usize = 12;

/// How many lines of what happened are remembered.
const EVENTS_KEPT: usize = 100;

/// All that a screen shows.
#[derive(Debug, Default)]
pub(super) struct Board {
    last: Option<Look>,
    lags: BTreeMap<String, VecDeque<Option<f64>>>,
    rates: BTreeMap<String, Rates>,
    reasons: Vec<(String, f64)>,
    events: VecDeque<Event>,
    problem: Option<String>,
    looks: u64,
}

/// Statements a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) reads: f64,
    pub(super) others: f64,
}

/// Something that happened, at one of the looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at_look: u64,
    pub(super) text: String,
}

impl Board {
    /// Takes a look in, or why there is none: then the last one stays on the screen, and is said to be old.
    pub(super) fn take(&mut self, look: Result<Look, String>) {
        self.looks += 1;
        let look = match look {
            Ok(look) => look,
            Err(why) => {
                if self.problem.is_none() {
                    self.note(why.clone());
                }
                self.problem = Some(why);
                return;
            }
        };
        if self.problem.take().is_some() {
            self.note("there is an answer again".to_owned());
        }
        let happened = match (&look.told, &self.last) {
            (Some(told), _) => told.clone(),
            (None, Some(last)) => changes(last, &look),
            (None, None) => Vec::new(),
        };
        for text in happened {
            self.note(text);
        }
        if let Some(last) = self.last.take() {
            self.count(&last, &look);
        }
        for node in &look.nodes {
            let lags = self.lags.entry(node.name.clone()).or_default();
            lags.push_back(node.lag);
            if lags.len() > LAG_KEPT {
                lags.pop_front();
            }
        }
        let is_there = |name: &String| look.nodes.iter().any(|node| node.name == *name);
        self.lags.retain(|name, _| is_there(name));
        self.last = Some(look);
    }

    /// Rates between two looks. A counter that went back is one of an application that was started anew, and began at 0.
    fn count(&mut self, last: &Look, look: &Look) {
        let passed = look.at.saturating_duration_since(last.at).as_secs_f64();
        if passed <= 0.0 {
            return;
        }
        let rate = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now) as f64 / passed;
        self.rates.clear();
        for node in &look.nodes {
            let Some(now) = node.statements else {
                continue;
            };
            let same = last.nodes.iter().find(|one| one.name == node.name);
            let before = same.and_then(|one| one.statements).unwrap_or_default();
            let Statements { reads, others } = before;
            let rates = Rates {
                reads: rate(now.reads, reads),
                others: rate(now.others, others),
            };
            self.rates.insert(node.name.clone(), rates);
        }
        self.reasons = look
            .reasons
            .iter()
            .map(|(reason, now)| {
                let before = last.reasons.get(reason).copied().unwrap_or_default();
                (reason.clone(), rate(*now, before))
            })
            .filter(|(_, rate)| *rate > 0.0)
            .collect();
        self.reasons.sort_by(|one, other| other.1.total_cmp(&one.1));
    }

    fn note(&mut self, text: String) {
        let at_look = self.looks;
        self.events.push_front(Event { at_look, text });
        self.events.truncate(EVENTS_KEPT);
    }

    pub(super) fn last(&self) -> Option<&Look> {
        self.last.as_ref()
    }

    /// Why the last look is not of now.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(super) fn rates(&self, node: &str) -> Option<Rates> {
        self.rates.get(node).copied()
    }

    pub(super) fn lags(&self, node: &str) -> impl Iterator<Item = Option<f64>> {
        self.lags.get(node).into_iter().flatten().copied()
    }

    /// Statements a second by reason, the most first.
    pub(super) fn reasons(&self) -> &[(String, f64)] {
        &self.reasons
    }

    /// What happened, the latest first.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// How many looks ago that was.
    pub(super) fn looks_since(&self, event: &Event) -> u64 {
        self.looks - event.at_look
    }
}

/// What must have happened between two looks, where nobody tells it.
fn changes(last: &Look, look: &Look) -> Vec<String> {
    let mut all = Vec::new();
    let primary = |look: &Look| {
        let mut nodes = look.nodes.iter();
        nodes
            .find(|node| node.role == "primary")
            .map(|node| node.name.clone())
    };
    match (primary(last), primary(look)) {
        (Some(_), None) => all.push("there is no primary: writes wait for one".to_owned()),
        (before, Some(now)) if before.as_ref() != Some(&now) => {
            let epoch = look.epoch.map(|epoch| format!(" (timeline {epoch})"));
            all.push(format!(
                "{now} is the primary now{}",
                epoch.unwrap_or_default()
            ));
        }
        _ => {}
    }
    for node in &look.nodes {
        let Some(before) = last.nodes.iter().find(|one| one.name == node.name) else {
            all.push(format!("{} is new", node.name));
            continue;
        };
        if before.state() != node.state() {
            all.push(format!("{}: {}", node.name, said(node)));
        }
    }
    let gone = |before: &&NodeLook| look.nodes.iter().all(|node| node.name != before.name);
    for before in last.nodes.iter().filter(gone) {
        all.push(format!("{} is gone", before.name));
    }
    if last.asleep != look.asleep {
        let text = match look.asleep {
            true => "the cluster sleeps: no connection is open",
            false => "the cluster is awake",
        };
        all.push(text.to_owned());
    }
    all
}

fn said(node: &NodeLook) -> String {
    match node.state() {
        "ok" if node.role == "primary" => "takes writes".to_owned(),
        "ok" => "serves balanced reads again".to_owned(),
        "silent" => "does not answer".to_owned(),
        reason => format!("serves no balanced reads: {reason}"),
    }
}
