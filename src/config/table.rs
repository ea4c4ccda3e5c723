//! The table of settings, made of its [rows](rows).
//!
//! Environment, files, defaults, setters, range checks, the log line, the messages' examples and the documentation's table
//! all come from the rows, so none of them can know a variable that the others do not.

mod rows;

use std::{path::PathBuf, sync::Arc, time::Duration};

#[cfg(feature = "postgres")]
use super::Found;
use super::kind::{SettingKind, Zero};
use super::source::SettingSource;
use super::value::{Field, Value};
use super::{Config, Discovery, NodeConfig};
use crate::vocabulary::{
    Consistency, Failover, Flavour, Mode, OnConflict, OnStale, Scope, StatementLimit,
};
pub(super) use rows::settings;

/// The fields that are nodes, not knobs, and the one that steers the reading.
pub(crate) const PRIMARY: &str = "primary";
pub(crate) const REPLICAS: &str = "replicas";
pub(crate) const REPLICA: &str = "replica";
pub(crate) const STRICTNESS: &str = "unknown_variables";

/// One row.
pub(crate) struct Setting {
    /// The variable without a cluster's prefix; none for what no operator turns.
    pub(crate) variable: Option<&'static str>,
    /// The name of the field, the setter and the key in a file.
    pub(crate) field: &'static str,
    pub(crate) kind: SettingKind,
    /// The default of what is no knob; a knob's is its value in [`Config::new`].
    node_default: Option<&'static str>,
    /// Where the default follows another knob.
    pub(crate) follower: Option<Follower>,
    /// A right value.
    pub(crate) example: &'static str,
    /// What the setting does, in one sentence.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the documentation's table reads it")
    )]
    pub(crate) what: &'static str,
    /// Why the default is what it is.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the documentation's table reads it")
    )]
    pub(crate) reason: &'static str,
    /// How the field is reached; none where the field is no knob.
    pub(crate) access: Option<Access>,
}

pub(crate) struct Access {
    pub(crate) get: fn(&Config) -> Value,
    pub(crate) set: fn(&mut Config, Value),
}

impl Setting {
    /// Whether there may be none of it, which an empty text means then.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self.default().as_str(), "empty" | "unset")
    }

    /// The default as the table shows it.
    pub(crate) fn default(&self) -> String {
        if let Some(text) = self.node_default {
            return text.to_owned();
        }
        if let Some(follower) = &self.follower {
            return follower.shown.to_owned();
        }
        let value = self
            .access
            .as_ref()
            .map(|access| (access.get)(&Config::adopted()));
        match (value, self.kind) {
            (
                Some(Value::Time(None)),
                SettingKind::Time {
                    zero: Zero::Absent(_),
                    ..
                },
            ) => "0".to_owned(),
            (None | Some(Value::Time(None)), _) => "unset".to_owned(),
            (Some(value), _) => value.to_string(),
        }
    }
}

/// The row of a field.
pub(crate) fn by_field(field: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.field == field)
}

/// The index of a field's row, for the order of problems.
pub(crate) fn index(field: &str) -> usize {
    let index = SETTINGS.iter().position(|setting| setting.field == field);
    index.unwrap_or(usize::MAX)
}

/// The rows that a variable sets.
pub(crate) fn variables() -> impl Iterator<Item = (&'static str, &'static Setting)> {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.variable?, setting)))
}

const MS: Duration = Duration::from_millis(1);
const TENTH: Duration = Duration::from_millis(100);
const S: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A pool beyond this is a mistake: PostgreSQL itself takes a hundred connections unless told otherwise.
const POOL_MAX: u32 = 10_000;
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
/// Text beyond this is never worth judging.
const STATEMENT_MAX: usize = 64 * MIB;

const fn count(min: u32, max: u32) -> SettingKind {
    SettingKind::Count { min, max }
}

const fn bytes(min: usize, max: usize) -> SettingKind {
    SettingKind::Bytes { min, max }
}

const fn time(zero: Zero, min: Duration, max: Duration) -> SettingKind {
    SettingKind::Time { zero, min, max }
}

/// A default that is another knob's, until one is given.
pub(crate) struct Follower {
    /// What the table says instead of a value.
    pub(crate) shown: &'static str,
    pub(crate) resolve: fn(&mut Config),
}

/// Half of the primary's pool, so that diverted reads leave room for writes; at least one.
fn half(max_connections: u32) -> u32 {
    (max_connections / 2).max(1)
}

macro_rules! rows {
    (
        nodes {$(
            $node_variable:literal $node:ident at $($path:ident).+, $node_kind:expr, $node_default:literal,
            $node_example:literal, $node_what:literal, $node_reason:literal;
        )+}
        knobs {$(
            $variable:tt $field:ident: $type:tt = $default:expr, $kind:expr,
            $example:literal, $what:literal, $reason:literal $(, follows $followed:ident, $shown:literal)?;
        )+}
    ) => {
        /// Every row, in the order of the documentation's table, the builder's own knobs last.
        pub(crate) static SETTINGS: &[Setting] = &[
            $(Setting {
                variable: Some($node_variable),
                field: stringify!($node),
                kind: $node_kind,
                node_default: Some($node_default),
                follower: None,
                example: $node_example,
                what: $node_what,
                reason: $node_reason,
                access: rows!(@access $($path).+),
            },)+
            $(Setting {
                variable: rows!(@variable $variable),
                field: stringify!($field),
                kind: $kind,
                node_default: None,
                follower: rows!(@follower $field $default $(, $followed $shown)?),
                example: $example,
                what: $what,
                reason: $reason,
                access: rows!(@access $field),
            },)+
        ];

        /// The defaults around a primary.
        fn defaults(primary: NodeConfig) -> Config {
            $(let $field: rows!(@type $type) = $default;)+
            Config {
                primary,
                replicas: Vec::new(),
                $($field,)+
                connect_options: None,
                plain_template: false,
                warnings: Vec::new(),
                source: SettingSource::Fields,
                credentials: None,
                registry: Arc::default(),
                #[cfg(feature = "postgres")]
                found: Found::default(),
            }
        }
    };
    (@variable "") => { None };
    (@variable $variable:tt) => { Some($variable) };
    (@access none) => { None };
    (@access $($path:ident).+) => {
        Some(Access {
            get: |config| config.$($path).+.read(),
            set: |config, value| config.$($path).+.write(value),
        })
    };
    (@follower $field:ident $default:expr) => { None };
    (@follower $field:ident $default:expr, $followed:ident $shown:literal) => {
        Some(Follower {
            shown: $shown,
            resolve: |config| {
                let $followed = config.$followed;
                config.$field = $default;
            },
        })
    };
    (@type [$($type:tt)+]) => { $($type)+ };
}

settings!(rows);

impl Config {
    /// The defaults around a primary.
    #[must_use]
    pub fn new(primary: NodeConfig) -> Self {
        defaults(primary)
    }

    /// The defaults for a cluster of connections that the application made.
    pub(crate) fn adopted() -> Self {
        Self::new(NodeConfig::nowhere())
    }
}
