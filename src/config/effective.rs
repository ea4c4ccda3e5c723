//! The effective configuration as text: what the log says once, and `Debug` always.
//!
//! Both show every value under the name by which its writer knows it, and no password.

use std::fmt;

use super::Config;
use super::kind::SettingKind;
use super::node::NodeConfig;
use super::table::{self, SETTINGS, Setting};

impl Config {
    /// Every setting with its value, in the table's order.
    pub(crate) fn effective(&self) -> Vec<(String, String)> {
        SETTINGS
            .iter()
            .filter_map(|setting| Some((self.source.name(setting.field), self.shown(setting)?)))
            .collect()
    }

    /// One setting as whoever configured this would write it: `SEALANE_ROUTE_TIMEOUT=5s`.
    pub(crate) fn setting(&self, field: &str) -> String {
        let shown = table::by_field(field).and_then(|setting| self.shown(setting));
        let name = match self.of_template(field) {
            Some(name) => format!("ConnectOptions::{name}"),
            None => self.source.name(field),
        };
        format!("{name}={}", shown.unwrap_or_default())
    }

    /// A field's name as whoever configured this would write it.
    pub(crate) fn name_of(&self, field: &str) -> String {
        self.source.name(field)
    }

    fn shown(&self, setting: &Setting) -> Option<String> {
        if let Some(access) = &setting.access {
            return Some((access.get)(self).to_string());
        }
        match setting.kind {
            SettingKind::Primary => Some(describe(&self.primary)),
            SettingKind::Replicas if self.replicas.is_empty() => Some("empty".to_owned()),
            SettingKind::Replicas => {
                let replicas: Vec<String> = self.replicas.iter().map(describe).collect();
                Some(replicas.join(", "))
            }
            _ => None,
        }
    }
}

fn describe(node: &NodeConfig) -> String {
    let mut parts = vec![format!("weight {}", node.weight)];
    parts.extend(node.name.as_ref().map(|name| format!("name {name}")));
    parts.extend(node.zone.as_ref().map(|zone| format!("zone {zone}")));
    if !node.tags.is_empty() {
        parts.push(format!("tags {}", node.tags.join("+")));
    }
    format!("{} ({})", node.url, parts.join(", "))
}

/// One line for the log: `name=value` for each setting.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<String> = self
            .effective()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&settings.join("; "))
    }
}

/// The caller's template is named only: its own `Debug` shows its URL with the password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        for setting in SETTINGS {
            if let Some(value) = self.shown(setting) {
                debug.field(setting.field, &format_args!("{value}"));
            }
        }
        debug
            .field("connect_options", &self.connect_options.is_some())
            .field("warnings", &self.warnings)
            .finish()
    }
}
