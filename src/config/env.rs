//! From environment variables to a [`Config`].
//!
//! The variables come in as an argument and the process is asked in one place only, so that a test needs no
//! process of its own. Nothing is taken on trust: what begins like ours and is not known is reported.

use std::collections::BTreeMap;
use std::ffi::OsString;

use sea_orm::ConnectOptions;

use super::Config;
use super::draft::{Draft, is_blank};
use super::error::ConfigError;
use super::names;
use super::source::SettingSource;
use super::table::{self, REPLICA, STRICTNESS};

/// The variables that concern one cluster, without its prefix; no value where it is not UTF-8.
type Variables = BTreeMap<String, Option<String>>;

impl Config {
    /// Reads the process's environment.
    ///
    /// ```no_run
    /// let config = sealane::Config::from_env()?;
    /// # Ok::<(), sealane::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with the variable's name and a right value.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_env_with_prefix("")
    }

    /// Reads the process's environment for another cluster, whose prefix stands in front of every name:
    /// `ORDERS_` for `ORDERS_DATABASE_URL`, `ORDERS_SEALANE_PIN` and so on.
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with the variable's name and a right value.
    pub fn from_env_with_prefix(prefix: &str) -> Result<Self, ConfigError> {
        Self::from_os_vars(prefix, std::env::vars_os())
    }

    /// Reads given variables as if they were the whole environment.
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with the variable's name and a right value.
    pub fn from_vars(
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::from_vars_with_prefix("", variables)
    }

    /// Reads given variables as if they were the whole environment of the cluster with this prefix.
    ///
    /// # Errors
    ///
    /// Every problem that was found, each with the variable's name and a right value.
    pub fn from_vars_with_prefix(
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::from_os_vars(prefix, as_os(variables))
    }

    /// Reads given variables whose values may be anything, as if they were the whole environment.
    pub(crate) fn from_os_vars(
        prefix: &str,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        read(prefix, relevant(prefix, variables), None)
    }

    /// Replicas and tuning from the process's environment, the primary and the template from the caller.
    pub(crate) fn from_env_with_options(options: ConnectOptions) -> Result<Self, ConfigError> {
        read("", relevant("", std::env::vars_os()), Some(options))
    }

    /// Replicas and tuning from given variables, the primary and the template from the caller.
    #[cfg(test)]
    pub(crate) fn from_vars_with_options(
        options: ConnectOptions,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        read("", relevant("", as_os(variables)), Some(options))
    }
}

fn as_os(
    variables: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    variables
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
}

/// Keeps what concerns us, so that nobody else's values are looked at.
pub(super) fn relevant(
    prefix: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Variables {
    variables
        .into_iter()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let name = name.strip_prefix(prefix)?;
            names::concerns_us(name).then(|| (name.to_owned(), value.into_string().ok()))
        })
        .collect()
}

fn read(
    prefix: &str,
    mut variables: Variables,
    template: Option<ConnectOptions>,
) -> Result<Config, ConfigError> {
    let has = |name: &str| {
        let text = variables.get(name).map(|text| text.as_deref());
        text.is_some_and(|text| text.is_none_or(|text| !is_blank(text)))
    };
    let singular = has("DATABASE_REPLICA_URL") && !has("DATABASE_REPLICA_URLS");
    let mut draft = Draft::new(SettingSource::Environment {
        prefix: prefix.to_owned(),
        singular,
    });
    check_prefix(&mut draft, prefix);
    let name = prefix.trim_matches('_').to_ascii_lowercase();
    if !name.is_empty() {
        draft.config.cluster_name = name;
    }
    if let Some(template) = template {
        // The caller names the primary; the variable may name another application's database.
        variables.remove("DATABASE_URL");
        draft.set_template(template);
    }
    let strict = is_strict(&variables);
    for (name, setting) in table::variables() {
        match variables.get(name) {
            None => {}
            Some(None) => draft.problems.add(setting.field, "is not valid UTF-8"),
            Some(Some(text)) if setting.field == REPLICA && !singular => {
                let both = !is_blank(text);
                if both {
                    draft.refuse_both();
                }
            }
            Some(Some(text)) if setting.field == STRICTNESS && !is_strictness(text) => {
                let problem = if text.trim().is_empty() {
                    "is empty; leave it out for the default (error)"
                } else {
                    "must be error or warn"
                };
                draft.problems.add(STRICTNESS, problem);
            }
            Some(Some(text)) => draft.take_text(setting, text.trim()),
        }
    }
    for (name, value) in &variables {
        if names::is_unknown(name, value.as_deref().unwrap_or_default()) {
            unknown(&mut draft, prefix, name, strict);
        }
    }
    draft.finish()
}

/// A prefix that begins like ours would make each cluster's variables the other's typos.
fn check_prefix(draft: &mut Draft, prefix: &str) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ours = names::concerns_us(prefix);
    if ours || !prefix.chars().all(fits) {
        draft.problems.add_foreign(
            "prefix".to_owned(),
            "must be letters, digits and `_`, and must not begin like our own names".to_owned(),
            Some("ORDERS_".to_owned()),
        );
    }
}

fn is_strict(variables: &Variables) -> bool {
    let given = variables.get("SEALANE_UNKNOWN_VARIABLES");
    !matches!(given, Some(Some(text)) if text.trim().eq_ignore_ascii_case("warn"))
}

fn is_strictness(text: &str) -> bool {
    ["error", "warn"]
        .iter()
        .any(|word| text.trim().eq_ignore_ascii_case(word))
}

fn unknown(draft: &mut Draft, prefix: &str, name: &str, strict: bool) {
    let full = format!("{prefix}{name}");
    let nearest = names::nearest(name);
    let hint = nearest.map_or_else(
        || "is not a variable of this version".to_owned(),
        |known| format!("is unknown; did you mean {prefix}{known}?"),
    );
    if !strict {
        draft.config.warnings.push(format!("{full}: {hint}"));
        return;
    }
    let example = nearest.and_then(|known| {
        let (_, setting) = table::variables().find(|(name, _)| *name == known)?;
        Some(format!("{prefix}{known}={}", setting.example))
    });
    let example =
        example.unwrap_or_else(|| format!("{prefix}SEALANE_UNKNOWN_VARIABLES=warn lets it pass"));
    draft.problems.add_foreign(full, hint, Some(example));
}
