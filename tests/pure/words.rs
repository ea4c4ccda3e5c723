//! The words of the data files of reduce, route, retry and signal.
//!
//! A data file is read by people first, so nodes, events and effects stand there as short texts; this is their grammar.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::start::settings;
use crate::config::Config;
use crate::signal::Signal;
use crate::state::{NodeSpec, Tuning};
use crate::vocabulary::{Flavour, Intent, Reason, Role, Stage};

/// The scenarios of a file, and where they came from.
pub(super) fn scenarios(file: &str, text: &str) -> Vec<Value> {
    let parsed: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    parsed
        .as_array()
        .unwrap_or_else(|| panic!("{file}: not a list"))
        .clone()
}

/// The rows of a file with one object a line.
pub(super) fn rows(file: &str, text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"))
        })
        .collect()
}

pub(super) fn str_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("`{key}` is missing in {value}"))
}

pub(super) fn signal(word: &str) -> Signal {
    let known = Signal::ALL.iter().find(|signal| signal.as_str() == word);
    *known.unwrap_or_else(|| panic!("no signal `{word}`"))
}

pub(super) fn stage(word: &str) -> Stage {
    let known = Stage::ALL.iter().find(|stage| stage.as_str() == word);
    *known.unwrap_or_else(|| panic!("no stage `{word}`"))
}

pub(super) fn flavour(word: &str) -> Flavour {
    word.parse()
        .unwrap_or_else(|_| panic!("no flavour `{word}`"))
}

pub(super) fn role(word: &str) -> Role {
    let known = Role::ALL.iter().find(|role| role.as_str() == word);
    *known.unwrap_or_else(|| panic!("no role `{word}`"))
}

pub(super) fn intent(word: &str) -> Intent {
    let known = Intent::ALL.iter().find(|intent| intent.as_str() == word);
    *known.unwrap_or_else(|| panic!("no intent `{word}`"))
}

pub(super) fn reason(word: &str) -> Reason {
    let known = Reason::ALL.iter().find(|reason| reason.as_str() == word);
    *known.unwrap_or_else(|| panic!("no reason `{word}`"))
}

pub(super) fn duration(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// `key=value` in a text of words.
pub(super) fn option<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.split_whitespace()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// `r1 replica weight=2 zone=a tags=b+c endpoint=x settings=1`; the endpoint is the name if none is given.
pub(super) fn node(text: &str) -> NodeSpec {
    let mut words = text.split_whitespace();
    let name = words.next().expect("a node has a name");
    let number = |key| option(text, key).map(|number| number.parse().expect("a number"));
    NodeSpec {
        name: name.into(),
        role: role(words.next().expect("a node has a role")),
        weight: number("weight").unwrap_or(1),
        zone: option(text, "zone").map(Into::into),
        tags: option(text, "tags").map_or_else(Default::default, |tags| {
            tags.split('+').map(Into::into).collect()
        }),
        endpoint: option(text, "endpoint").unwrap_or(name).into(),
        settings: number("settings").unwrap_or(0).into(),
    }
}

impl Default for Tuning {
    /// As a configuration has it in which nothing is set, without what comes with time alone, the bound on lag and readings
    /// of the catalog: a story that is about them sets it.
    fn default() -> Self {
        Self {
            max_lag: None,
            catalog_refresh: None,
            ..settings::tuning(&Config::adopted())
        }
    }
}

/// The defaults, changed by the object's members.
pub(super) fn tuning(value: &Value) -> Tuning {
    let mut tuning = Tuning::default();
    for (key, value) in value.as_object().into_iter().flatten() {
        let number = || u32::try_from(value.as_u64().expect("a number")).expect("a small number");
        let time = || duration(value.as_str().expect("a duration"));
        match key.as_str() {
            "enabled" => tuning.enabled = value.as_bool().expect("a bool"),
            "primary_weight" => tuning.primary_weight = number(),
            "zone" => tuning.zone = value.as_str().map(Into::into),
            "latency_window" => tuning.latency_window = time(),
            "waiters_limit" => tuning.waiters_limit = number(),
            "max_lag" => tuning.max_lag = Some(time()),
            "ramp_up" => tuning.ejection.ramp_up = time(),
            "check_interval" => tuning.check_interval = time(),
            "failover" => tuning.failover.enabled = value.as_bool().expect("a bool"),
            "confirmed" => tuning.failover.confirmed = value.as_bool().expect("a bool"),
            "keep_first" => tuning.failover.keep_first = value.as_bool().expect("a bool"),
            "flavour" => tuning.flavour = flavour(value.as_str().expect("a word")),
            "catalog_refresh" => tuning.catalog_refresh = Some(time()),
            "first_backoff" => tuning.ejection.first_backoff = time(),
            "eject_max" => tuning.ejection.max_backoff = time(),
            other => panic!("no tuning `{other}`"),
        }
    }
    tuning
}
