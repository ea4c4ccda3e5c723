//! A configuration in the making: what was given so far, in whatever order it came.
//!
//! The environment, the builder and files fill a draft, and only [`finish`](Draft::finish) knows how one becomes
//! a [`Config`]: an explicit value wins over the caller's template, which wins over a default.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::ConnectOptions;

use super::Config;
use super::check::{self, Numbered};
use super::error::ConfigError;
use super::item::Item;
use super::kind::Zero;
use super::kind::{SettingKind, split_list};
use super::node::NodeConfig;
use super::problems::Problems;
use super::source::SettingSource;
use super::table::{PRIMARY, REPLICA, REPLICAS, SETTINGS, Setting};
use super::url;
use super::value::Value;
use crate::vocabulary::Role;

/// Where the primary came from when a template named it.
const CONNECT_OPTIONS: &str = "connect_options";

/// A node as it was given.
#[derive(Clone)]
pub(super) enum Given {
    Text(String),
    Node(NodeConfig),
}

#[derive(Clone)]
pub(super) struct Draft {
    /// Holds the knobs; its nodes are put in at the end.
    pub(super) config: Config,
    pub(super) primary: Option<Given>,
    pub(super) replicas: Vec<Given>,
    /// The fields that were given a value.
    pub(super) assigned: BTreeSet<&'static str>,
    pub(super) problems: Problems,
}

impl Draft {
    pub(super) fn new(source: SettingSource) -> Self {
        Self {
            config: Config::new(NodeConfig::nowhere()),
            primary: None,
            replicas: Vec::new(),
            assigned: BTreeSet::new(),
            problems: Problems::new(source),
        }
    }

    /// Takes the text of a setting; `text` is trimmed.
    pub(super) fn take_text(&mut self, setting: &'static Setting, text: &str) {
        let field = setting.field;
        if is_blank(text) && setting.is_optional() {
            return;
        }
        if text.is_empty() {
            let default = match setting.default().as_str() {
                "required" => String::new(),
                default => format!("; leave it out for the default ({default})"),
            };
            self.problems.add(field, format!("is empty{default}"));
            return;
        }
        match (setting.kind, setting.kind.parse(text), &setting.access) {
            (SettingKind::Primary, ..) => self.primary = Some(Given::Text(text.to_owned())),
            (SettingKind::Replica, ..) => self.replicas.push(Given::Text(text.to_owned())),
            (SettingKind::Replicas, ..) => self.take_list(field, text),
            (_, Err(message), _) => self.problems.add(field, message),
            (_, Ok(value), Some(access)) => {
                (access.set)(&mut self.config, value);
                self.assigned.insert(field);
            }
            (_, Ok(_), None) => {}
        }
    }

    fn take_list(&mut self, field: &'static str, text: &str) {
        let items: Vec<&str> = split_list(text).collect();
        let before = items.iter().take(items.len().saturating_sub(1));
        // Cut in two by a comma or blank, such a password would go on as the next item, a host that is shown.
        for (number, item) in (1..).zip(before) {
            let parameters = item.split_once('?').map(|(_, parameters)| parameters);
            let parameters = parameters.unwrap_or_default().to_ascii_lowercase();
            if parameters.contains("password") {
                self.problems.add(
                    field,
                    format!("item {number} has its password among the parameters, which a list does not allow: write user:password@host, or user:password@%2Frun%2Fpostgresql for a socket"),
                );
            }
        }
        let items = items.into_iter().map(|item| Given::Text(item.to_owned()));
        self.replicas.extend(items);
    }

    /// The configuration, if nothing is wrong with it.
    pub(super) fn finish(mut self) -> Result<Config, ConfigError> {
        self.take_template();
        self.resolve_defaults();
        let primary = self.resolve_primary();
        let replicas = self.resolve_replicas(primary.as_ref());
        if let Some(primary) = primary {
            self.put_primary(primary);
        }
        check::complete(self.config, replicas, self.problems)
    }

    fn resolve_defaults(&mut self) {
        for setting in SETTINGS {
            if let Some(follower) = &setting.follower
                && !self.assigned.contains(setting.field)
            {
                (follower.resolve)(&mut self.config);
            }
        }
        // Where 0 is the absence of a limit, code that says zero means the same as a text that does.
        for setting in SETTINGS {
            if let (SettingKind::Time { zero, .. }, Some(access)) = (setting.kind, &setting.access)
                && matches!(zero, Zero::Absent(_))
                && (access.get)(&self.config) == Value::Time(Some(Duration::ZERO))
            {
                (access.set)(&mut self.config, Value::Time(None));
            }
        }
    }

    fn resolve_primary(&mut self) -> Option<NodeConfig> {
        let (text, label) = match (self.primary.take(), &self.config.connect_options) {
            (Some(Given::Node(node)), _) => return Some(node),
            (Some(Given::Text(text)), _) => (text, ""),
            (None, _) if self.problems.has(PRIMARY) => return None,
            (None, Some(template)) => (template.get_url().to_owned(), CONNECT_OPTIONS),
            (None, None) => {
                self.problems.add(PRIMARY, "is not set");
                return None;
            }
        };
        // A template's own URL is SeaORM's to read, and that knows one host.
        if let (true, Some(hosts)) = (label.is_empty(), url::each_host(text.trim())) {
            return self.resolve_hosts(&hosts);
        }
        match url::parse(text.trim()) {
            Ok(parsed) => {
                match label {
                    "" => self.warn(PRIMARY, "", parsed.warnings),
                    label => {
                        let warned = parsed.warnings.into_iter();
                        let warned = warned.map(|warning| format!("{label}: its URL {warning}"));
                        self.config.warnings.extend(warned);
                    }
                }
                self.check_double_weight(parsed.own.weight);
                Some(NodeConfig::of_primary(parsed.url, parsed.own))
            }
            Err(message) => {
                match label {
                    "" => self.problems.add(PRIMARY, message),
                    label => self
                        .problems
                        .add_as(label, PRIMARY, format!("its URL {message}")),
                }
                None
            }
        }
    }

    /// Several hosts in the primary's URL: whichever of them is the primary now.
    fn resolve_hosts(&mut self, hosts: &[String]) -> Option<NodeConfig> {
        let mut nodes = Vec::new();
        for host in hosts {
            let parsed = url::parse(host).and_then(|parsed| match parsed.own.name {
                Some(_) => Err("has a name for several hosts".to_owned()),
                None => Ok(parsed),
            });
            match parsed {
                Ok(parsed) => {
                    let node = NodeConfig::of_replica(parsed.url, parsed.own);
                    nodes.push(node.of_primary_url().as_role(Role::Unknown));
                }
                Err(message) => {
                    self.problems.add(PRIMARY, message);
                    return None;
                }
            }
        }
        let others = nodes.split_off(1);
        self.replicas
            .splice(0..0, others.into_iter().map(Given::Node));
        if self.assigned.contains("primary_weight") {
            let primary = self.problems.source().name(PRIMARY);
            self.problems.add(
                "primary_weight",
                format!("is for one primary, and {primary} names several hosts"),
            );
        }
        nodes.pop()
    }

    /// The primary's weight may stand in its URL or in the knob, not differently in both.
    fn check_double_weight(&mut self, in_url: Option<u32>) {
        let knob = self.config.primary.weight;
        if self.assigned.contains("primary_weight") && in_url.is_some_and(|weight| weight != knob) {
            let primary = self.problems.source().name(PRIMARY);
            self.problems.add(
                "primary_weight",
                format!("differs from the weight in {primary}; keep one of them"),
            );
        }
    }

    fn put_primary(&mut self, mut primary: NodeConfig) {
        if self.assigned.contains("primary_weight") {
            primary.weight = self.config.primary.weight;
        }
        self.config.primary = primary;
    }

    fn resolve_replicas(&mut self, primary: Option<&NodeConfig>) -> Vec<Numbered> {
        let given = std::mem::take(&mut self.replicas);
        let alone = given.len() == 1;
        let mut replicas = Vec::new();
        for (number, given) in (1..).zip(given) {
            let label = if alone {
                String::new()
            } else {
                format!("item {number} ")
            };
            match given {
                Given::Node(node) => replicas.push((number, node)),
                // An empty variable that was split.
                Given::Text(text) if is_blank(&text) => {}
                Given::Text(text) => match Item::parse(text.trim()) {
                    Ok(item) => {
                        self.warn(REPLICAS, &label, item.warnings.clone());
                        replicas.extend(self.complete_item(item, primary, number, &label));
                    }
                    Err(message) => self.problems.add(REPLICAS, of_item(&label, &message)),
                },
            }
        }
        replicas
    }

    /// Without a primary, whose own problem is reported, an item that would inherit from it is not judged.
    fn complete_item(
        &mut self,
        item: Item,
        primary: Option<&NodeConfig>,
        number: usize,
        label: &str,
    ) -> Option<Numbered> {
        if primary.is_none() && item.inherits() {
            return None;
        }
        match item.replica(primary) {
            Ok(node) => Some((number, node)),
            Err(message) => {
                self.problems.add(REPLICAS, of_item(label, &message));
                None
            }
        }
    }

    fn warn(&mut self, field: &str, label: &str, warnings: Vec<String>) {
        let name = self.problems.source().name(field);
        let warnings = warnings
            .into_iter()
            .map(|warning| format!("{name}: {label}{warning}"));
        self.config.warnings.extend(warnings);
    }

    /// Refuses both spellings of the replicas at once.
    pub(super) fn refuse_both(&mut self) {
        let other = self.problems.source().name(REPLICAS);
        self.problems.add(
            REPLICA,
            format!("is set together with {other}; keep one of them"),
        );
    }

    pub(super) fn set_template(&mut self, template: ConnectOptions) {
        self.config.connect_options = Some(template);
    }
}

/// Nothing but what stands between items: templates of deployments set a variable to nothing where there is none.
pub(super) fn is_blank(text: &str) -> bool {
    split_list(text).next().is_none()
}

/// "item 2 has …", but "item 2: its weight …".
fn of_item(label: &str, message: &str) -> String {
    match label.trim_end() {
        "" => message.to_owned(),
        item if message.starts_with("its ") => format!("{item}: {message}"),
        item => format!("{item} {message}"),
    }
}
