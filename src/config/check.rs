//! What must hold for a whole configuration: every value in range, knobs that fit each other, nodes that differ.
//!
//! All of it runs even when something was found, so that one start shows every problem. A field that has a problem
//! already is not compared with others.

mod discovery;
pub(crate) mod nodes;

pub(super) use nodes::{Numbered, SQLITE_REPLICA, numbered};

use std::sync::Arc;

use nodes::GivenNodes;

use sea_orm::DbBackend;

#[cfg(feature = "postgres")]
use super::Found;
use super::error::ConfigError;
use super::problems::Problems;
use super::source::SettingSource;
use super::table::SETTINGS;
use super::{Config, Discovery, NodeConfig};
use crate::vocabulary::{Failover, Flavour, Role};

impl Config {
    /// Checks everything and reports all problems at once.
    ///
    /// # Errors
    ///
    /// Every problem that was found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.clone().validated().map(drop)
    }

    /// The checked configuration, without replicas that are the primary.
    pub(crate) fn validated(mut self) -> Result<Self, ConfigError> {
        let problems = Problems::new(self.source.clone());
        self.registry = Arc::default();
        // The template may be another one since.
        #[cfg(feature = "postgres")]
        {
            self.found = Found::default();
        }
        let replicas = numbered(std::mem::take(&mut self.replicas));
        complete(self, replicas, problems)
    }
}

/// Checks a configuration whose replicas stand beside it, and puts in those that stay.
pub(super) fn complete(
    mut config: Config,
    replicas: Vec<Numbered>,
    mut problems: Problems,
) -> Result<Config, ConfigError> {
    check_ranges(&config, &mut problems);
    check_order(&config, &mut problems);
    check_roles(&config, &mut problems);
    discovery::check(&config, &mut problems);
    let mut nodes = GivenNodes::new(&mut problems);
    config.replicas = nodes.check(&config.primary, replicas);
    let mut warnings = nodes.warnings;
    check_passwords(&config, &mut problems);
    warnings.extend(doubts(&config, problems.source()));
    warnings.extend(discovery::doubts(&config, problems.source()));
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

/// Values that bound each other.
fn check_order(config: &Config, problems: &mut Problems) {
    let mut not_above = |field: &'static str, (must, limit): (&str, &str), fits: bool| {
        if fits || problems.has(field) || problems.has(limit) {
            return;
        }
        let value = shown(config, field);
        let limit_value = shown(config, limit);
        let limit = problems.source().name(limit);
        problems.add(
            field,
            format!("is {value} and must be {must} {limit}, which is {limit_value}"),
        );
    };
    not_above(
        "min_connections",
        ("at most", "max_connections"),
        config.min_connections <= config.max_connections,
    );
    not_above(
        "min_connections",
        ("at most", "replica_max_connections"),
        config.min_connections <= config.replica_max_connections,
    );
    // Also what is out of range is compared.
    let lags = |most: std::time::Duration| most >= config.check_interval.saturating_mul(2);
    not_above(
        "max_lag",
        ("at least twice", "check_interval"),
        config.max_lag.is_none_or(lags),
    );
    not_above(
        "eject_first",
        ("at most", "eject_max"),
        config.eject_first <= config.eject_max,
    );
}

/// Nodes whose roles are found out need somebody who asks for them.
fn check_roles(config: &Config, problems: &mut Problems) {
    if let Some((feature, is_on)) = config.discovery.feature()
        && !problems.has("discovery")
    {
        if !is_on {
            problems.add(
                "discovery",
                format!("needs the Cargo feature `{feature}` of sealane"),
            );
        } else if config.failover == Failover::Off {
            let failover = problems.source().name("failover");
            problems.add(
                "discovery",
                format!("finds nodes whose roles are found out by asking, and {failover} is off"),
            );
        } else if config.primary.url.backend() != DbBackend::Postgres {
            problems.add("discovery", "is for PostgreSQL only");
        }
    }
    let found = config.primary.role() == Role::Unknown;
    if found && config.failover == Failover::Off && !problems.has("failover") {
        let primary = problems.source().name("primary");
        problems.add(
            "failover",
            format!(
                "is off, and {primary} names several hosts, whose roles are found out by asking"
            ),
        );
    }
}

/// One password for one node.
fn check_passwords(config: &Config, problems: &mut Problems) {
    if problems.has("primary") {
        return;
    }
    let primary = problems.source().name("primary");
    let mut refuse = |field, message: String| {
        if !problems.has(field) {
            problems.add(field, message);
        }
    };
    if config.password_file.is_some() && config.primary.url.password().is_some() {
        refuse(
            "password_file",
            format!("is set, and {primary} has a password; keep one of them"),
        );
    }
    let has_one = |node: &NodeConfig| node.url.password().or(node.url.passfile()).is_some();
    let all_have = match config.replicas.is_empty() {
        // Those that are found inherit it.
        true => has_one(&config.primary),
        false => config.replicas.iter().all(has_one),
    };
    if config.replica_password_file.is_some() && all_have {
        let replica = "each replica has a password or a passfile in its URL or from";
        refuse(
            "replica_password_file",
            format!("is set, and {replica} {primary}; keep one of them"),
        );
    }
    let files = [
        ("password_file", &config.password_file),
        ("replica_password_file", &config.replica_password_file),
    ];
    for (field, file) in files {
        if file.is_some() && config.primary.url.backend() == DbBackend::Sqlite {
            refuse(field, "is for servers; SQLite has no login".to_owned());
        } else if file.is_some() && config.credentials.is_some() {
            refuse(
                field,
                "is set, and so is the builder's `credentials`; keep one of them".to_owned(),
            );
        }
    }
}

fn shown(config: &Config, field: &str) -> String {
    let access = super::table::by_field(field).and_then(|setting| setting.access.as_ref());
    access.map_or_else(String::new, |access| (access.get)(config).to_string())
}

/// What is allowed and probably not meant.
fn doubts(config: &Config, source: &SettingSource) -> Vec<String> {
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
    let has_replicas = !config.replicas.is_empty()
        || config.primary.role() == Role::Unknown
        || config.discovery != Discovery::Static;
    let is_fenced = config.fence || config.primary.url.backend() == DbBackend::Sqlite;
    if config.enabled && has_replicas && !is_fenced {
        let name = source.name("fence");
        doubts.push(format!(
            "{name}: is false, so replica connections do not refuse writes by themselves: only the classification of \
             statements keeps a write from a replica"
        ));
    }
    if config.primary.url.backend() == DbBackend::Sqlite && config.idle_after.is_some() {
        let name = source.name("idle_after");
        doubts.push(format!(
            "{name}: has no effect on SQLite, where no server is to rest"
        ));
    }
    if config.primary.url.backend() != DbBackend::Postgres && config.flavour != Flavour::Auto {
        let name = source.name("flavour");
        doubts.push(format!(
            "{name}: has no effect, since it tells apart what speaks PostgreSQL's protocol"
        ));
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
