//! What must hold for a set of nodes: one primary, one backend, and no replica that is another node.
//!
//! A configuration and a later change of topology go through the same checks, so a set that one of them takes is
//! never refused by the other.

use std::collections::HashMap;

use sea_orm::DbBackend;

use crate::config::error::ConfigError;
use crate::config::kind::{self, SettingKind};
use crate::config::node::NodeConfig;
use crate::config::problems::Problems;
use crate::config::source::SettingSource;
use crate::config::table::{PRIMARY, REPLICA, REPLICAS};
use crate::config::url::{Endpoint, scheme_of};
use crate::config::value::Value;
use crate::vocabulary::Role;

pub(in crate::config) const SQLITE_REPLICA: &str = "must not be set with SQLite, whose readers open the primary's file by themselves; leave the replicas out";

/// A set of nodes that can be a topology.
#[derive(Clone, Debug)]
pub(crate) struct Arrangement {
    pub(crate) primary: NodeConfig,
    pub(crate) replicas: Vec<NodeConfig>,
    pub(crate) warnings: Vec<String>,
    /// Names or addresses of the replicas that are the primary.
    pub(crate) dropped: Vec<String>,
}

/// Checks a set of nodes by themselves, as they come in a change of topology.
pub(crate) fn arrange(
    nodes: impl IntoIterator<Item = NodeConfig>,
) -> Result<Arrangement, ConfigError> {
    let (mut primaries, replicas): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| node.role() == Role::Primary);
    let found = replicas
        .iter()
        .position(|node| node.role() == Role::Unknown);
    let mut replicas = replicas;
    if let (true, Some(found)) = (primaries.is_empty(), found) {
        // Whoever it is, it is among them.
        primaries.push(replicas.remove(found));
    }
    let primary = match (primaries.pop(), primaries.is_empty()) {
        (Some(primary), true) => primary,
        (Some(_), false) => {
            return Err(Problems::only(PRIMARY, "is given more than once".into()));
        }
        (None, _) => return Err(Problems::only(PRIMARY, "is missing among the nodes".into())),
    };
    let mut problems = Problems::new(SettingSource::Fields);
    let mut nodes = GivenNodes::new(&mut problems);
    nodes.check_weight(&primary);
    let replicas = nodes.check(&primary, numbered(replicas));
    let (warnings, dropped) = (nodes.warnings, nodes.dropped);
    problems.result(Arrangement {
        primary,
        replicas,
        warnings,
        dropped,
    })
}

/// A replica with its number in the list that it came from, counted from 1.
pub(in crate::config) type Numbered = (usize, NodeConfig);

pub(in crate::config) fn numbered(replicas: Vec<NodeConfig>) -> Vec<Numbered> {
    (1..).zip(replicas).collect()
}

/// The checks of one set of nodes.
pub(super) struct GivenNodes<'a> {
    problems: &'a mut Problems,
    pub(super) warnings: Vec<String>,
    dropped: Vec<String>,
    /// Whether items may be called by their host. Not if one was refused: then a host may be half of a password
    /// that a comma or blank has cut in two.
    by_host: bool,
}

impl<'a> GivenNodes<'a> {
    pub(super) fn new(problems: &'a mut Problems) -> Self {
        let by_host = !problems.has(REPLICAS) && !problems.has(REPLICA);
        Self {
            problems,
            warnings: Vec::new(),
            dropped: Vec::new(),
            by_host,
        }
    }

    /// Gives back the replicas that stay.
    pub(super) fn check(
        &mut self,
        primary: &NodeConfig,
        replicas: Vec<Numbered>,
    ) -> Vec<NodeConfig> {
        let known_primary = !self.problems.has(PRIMARY);
        if known_primary {
            self.check_labels(PRIMARY, primary, "the node");
            if primary.role() == Role::Replica {
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
                self.dropped.push(
                    node.name
                        .clone()
                        .unwrap_or_else(|| node.url.shown_address()),
                );
            } else {
                kept.push((number, node));
            }
        }
        self.check_twins(primary, &kept);
        let kept: Vec<_> = kept.into_iter().map(|(_, node)| node).collect();
        let weightless = !kept.is_empty()
            && primary.role() == Role::Primary
            && kept.iter().chain([primary]).all(|node| node.weight == 0);
        if weightless && known_primary && !self.problems.has(REPLICAS) {
            self.problems.add(
                REPLICAS,
                "every weight is 0, so no node would take reads; give a weight to a replica or to the primary",
            );
        }
        kept
    }

    /// Finds the same endpoint or the same name twice.
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
        if let Err(problem) = kind::check_tags(&node.tags) {
            self.problems.add(field, format!("{label}: its {problem}"));
        }
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
        if let Err(problem) = SettingKind::Weight.check(&Value::Count(node.weight)) {
            self.problems
                .add(field, format!("{label}: its weight {problem}"));
        }
    }

    fn label(&self, number: usize, node: &NodeConfig) -> String {
        if self.by_host {
            format!("item {number} ({})", node.url.shown_address())
        } else {
            format!("item {number}")
        }
    }
}

fn is_sqlite(node: &NodeConfig) -> bool {
    node.url.backend() == DbBackend::Sqlite
}
