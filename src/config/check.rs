//! What must hold for a whole configuration: every value in range, knobs that fit each other, nodes that differ.
//!
//! All of it runs even when something was found, so that one start shows every problem. A field that has a problem
//! already is not compared with others.

use std::collections::HashMap;

use sea_orm::DbBackend;

use super::Config;
use super::error::{ConfigError, Problems, Source};
use super::kind::{self, Kind};
use super::node::NodeConfig;
use super::table::{PRIMARY, REPLICAS, SETTINGS};
use super::url::{Endpoint, scheme_of};
use super::value::Value;
use crate::words::Role;

pub(super) const SQLITE_REPLICA: &str = "must not be set with SQLite, whose readers open the primary's file by themselves; leave the replicas out";

/// A set of nodes that can be a topology.
#[derive(Clone, Debug)]
pub(crate) struct Arrangement {
    pub(crate) primary: NodeConfig,
    pub(crate) replicas: Vec<NodeConfig>,
    pub(crate) warnings: Vec<String>,
}

/// Checks a set of nodes by themselves, as they come in a change of topology.
pub(crate) fn arrange(
    nodes: impl IntoIterator<Item = NodeConfig>,
) -> Result<Arrangement, ConfigError> {
    let (mut primaries, replicas): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| node.role() == Role::Primary);
    let primary = match (primaries.pop(), primaries.is_empty()) {
        (Some(primary), true) => primary,
        (Some(_), false) => {
            return Err(Problems::only(PRIMARY, "is given more than once".into()));
        }
        (None, _) => return Err(Problems::only(PRIMARY, "is missing among the nodes".into())),
    };
    let mut problems = Problems::new(Source::Fields);
    let mut nodes = Nodes::new(&mut problems);
    nodes.check_weight(&primary);
    let replicas = nodes.check(&primary, numbered(replicas));
    let warnings = nodes.warnings;
    problems.result(Arrangement {
        primary,
        replicas,
        warnings,
    })
}

/// A replica with its place in the list that it came from, counted from 1.
pub(super) type Numbered = (usize, NodeConfig);

pub(super) fn numbered(replicas: Vec<NodeConfig>) -> Vec<Numbered> {
    (1..).zip(replicas).collect()
}

/// Checks a configuration whose replicas stand beside it, and puts in those that stay.
pub(super) fn complete(
    mut config: Config,
    replicas: Vec<Numbered>,
    mut problems: Problems,
) -> Result<Config, ConfigError> {
    check_ranges(&config, &mut problems);
    check_pairs(&config, &mut problems);
    let mut nodes = Nodes::new(&mut problems);
    config.replicas = nodes.check(&config.primary, replicas);
    let mut warnings = nodes.warnings;
    warnings.extend(doubts(&config, problems.source()));
    for warning in warnings {
        if !config.warnings.contains(&warning) {
            config.warnings.push(warning);
        }
    }
    config.source = problems.source().clone();
    problems.result(config)
}

fn check_ranges(config: &Config, problems: &mut Problems) {
    for setting in SETTINGS {
        let Some(access) = &setting.access else {
            continue;
        };
        if problems.has(setting.field) {
            continue;
        }
        if let Err(message) = setting.kind.check(&(access.get)(config)) {
            problems.add(setting.field, message);
        }
        // A value that was only taken over from another field is that field's problem.
        if problems.has("max_connections")
            && config.replica_max_connections == config.max_connections
        {
            problems.mute("replica_max_connections");
        }
    }
}

fn check_pairs(config: &Config, problems: &mut Problems) {
    let mut not_above = |field: &'static str, limit: &str, fits: bool| {
        if fits || problems.has(field) || problems.has(limit) {
            return;
        }
        let value = shown(config, field);
        let limit_value = shown(config, limit);
        let limit = problems.source().name(limit);
        problems.add(
            field,
            format!("is {value}, which does not fit {limit} ({limit_value})"),
        );
    };
    not_above(
        "replica_acquire_timeout",
        "route_timeout",
        config.replica_acquire_timeout < config.route_timeout,
    );
    not_above(
        "min_connections",
        "max_connections",
        config.min_connections <= config.max_connections,
    );
    not_above(
        "min_connections",
        "replica_max_connections",
        config.min_connections <= config.replica_max_connections,
    );
    not_above(
        "eject_first",
        "eject_max",
        config.eject_first <= config.eject_max,
    );
}

fn shown(config: &Config, field: &str) -> String {
    let access = super::table::by_field(field).and_then(|setting| setting.access.as_ref());
    access.map_or_else(String::new, |access| (access.get)(config).to_string())
}

/// What is allowed and probably not meant.
fn doubts(config: &Config, source: &Source) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(zone) = &config.zone
        && !config.replicas.is_empty()
        && !config
            .replicas
            .iter()
            .any(|node| node.zone.as_ref() == Some(zone))
    {
        let name = source.name("zone");
        doubts.push(format!("{name}: no replica is in the zone {zone}"));
    }
    let both = |name: &&String| config.primary_functions.contains(name);
    for function in config.read_functions.iter().filter(both) {
        let [read, primary] = ["read_functions", "primary_functions"].map(|f| source.name(f));
        doubts.push(format!(
            "{read}: {function} is in {primary} too, which wins"
        ));
    }
    doubts
}

/// The checks of one set of nodes.
struct Nodes<'a> {
    problems: &'a mut Problems,
    warnings: Vec<String>,
    /// Whether items may be called by their host. Not if one was refused: then a host may be half of a password
    /// that a comma or blank has cut in two.
    places: bool,
}

impl<'a> Nodes<'a> {
    fn new(problems: &'a mut Problems) -> Self {
        let places = !problems.has(REPLICAS) && !problems.has(super::table::REPLICA);
        Self {
            problems,
            warnings: Vec::new(),
            places,
        }
    }

    /// Gives back the replicas that stay.
    fn check(&mut self, primary: &NodeConfig, replicas: Vec<Numbered>) -> Vec<NodeConfig> {
        let known_primary = !self.problems.has(PRIMARY);
        if known_primary {
            self.check_labels(PRIMARY, primary, "the node");
            if primary.role() != Role::Primary {
                self.problems.add(PRIMARY, "is a node with another role");
            }
        }
        if known_primary && is_sqlite(primary) && !replicas.is_empty() {
            self.problems.add(REPLICAS, SQLITE_REPLICA);
            return Vec::new();
        }
        let mut kept = Vec::new();
        for (number, node) in replicas {
            let label = self.label(number, &node);
            self.check_labels(REPLICAS, &node, &label);
            self.check_range(REPLICAS, &node, &label);
            if known_primary && node.url.backend() != primary.url.backend() {
                let [its, wanted] = [&node, primary].map(|node| scheme_of(node.url.backend()));
                self.problems.add(
                    REPLICAS,
                    format!("{label} is a {its} URL and the primary's is {wanted}: a cluster has one backend"),
                );
            } else if known_primary && node.endpoint() == primary.endpoint() {
                let name = self.problems.source().name(REPLICAS);
                self.warnings
                    .push(format!("{name}: {label} is the primary; it is left out"));
            } else {
                kept.push((number, node));
            }
        }
        self.check_twins(primary, &kept);
        let kept: Vec<_> = kept.into_iter().map(|(_, node)| node).collect();
        let weightless =
            !kept.is_empty() && kept.iter().chain([primary]).all(|node| node.weight == 0);
        if weightless && known_primary && !self.problems.has(REPLICAS) {
            self.problems.add(
                REPLICAS,
                "every weight is 0, so no node would take reads; give a weight to a replica or to the primary",
            );
        }
        kept
    }

    /// The same endpoint or the same name twice.
    fn check_twins(&mut self, primary: &NodeConfig, replicas: &[Numbered]) {
        let mut endpoints: HashMap<Endpoint, usize> = HashMap::new();
        let mut names: HashMap<&str, String> = HashMap::new();
        if let Some(name) = &primary.name {
            names.insert(name, "the primary".to_owned());
        }
        for (number, node) in replicas {
            let label = self.label(*number, node);
            if let Some(first) = endpoints.insert(node.endpoint(), *number) {
                self.problems.add(
                    REPLICAS,
                    format!("{label} is the same node as item {first}"),
                );
            }
            let Some(name) = &node.name else { continue };
            if let Some(first) = names.insert(name, format!("item {number}")) {
                self.problems
                    .add(REPLICAS, format!("{label} has the name of {first}, {name}"));
            }
        }
    }

    fn check_labels(&mut self, field: &'static str, node: &NodeConfig, label: &str) {
        for (key, text) in [("name", &node.name), ("zone", &node.zone)] {
            if let Some(Err(problem)) = text.as_deref().map(kind::check_name) {
                self.problems
                    .add(field, format!("{label}: its {key} {problem}"));
            }
        }
    }

    /// The primary's weight where it is no knob's.
    fn check_weight(&mut self, primary: &NodeConfig) {
        self.check_range(PRIMARY, primary, "the node");
    }

    fn check_range(&mut self, field: &'static str, node: &NodeConfig, label: &str) {
        if let Err(problem) = Kind::Weight.check(&Value::Count(node.weight)) {
            self.problems
                .add(field, format!("{label}: its weight {problem}"));
        }
    }

    fn label(&self, number: usize, node: &NodeConfig) -> String {
        if self.places {
            format!("item {number} ({})", node.url.place())
        } else {
            format!("item {number}")
        }
    }
}

fn is_sqlite(node: &NodeConfig) -> bool {
    node.url.backend() == DbBackend::Sqlite
}
