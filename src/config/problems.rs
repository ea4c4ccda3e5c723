//! Collects what is wrong with a configuration, under the names and with the examples of the [table](super::table).

use std::collections::BTreeSet;

use super::error::{ConfigError, Problem};
use super::source::SettingSource;
use super::table::{self, Setting};

impl SettingSource {
    /// The name under which the writer knows this field.
    pub(crate) fn name(&self, field: &str) -> String {
        match self {
            Self::Environment { prefix, .. } => {
                let variable = self.row(field).and_then(|setting| setting.variable);
                variable.map_or_else(|| field.to_owned(), |name| format!("{prefix}{name}"))
            }
            Self::Fields => field.to_owned(),
        }
    }

    fn example(&self, field: &str) -> Option<String> {
        let example = self.row(field)?.example;
        Some(match self {
            Self::Environment { .. } => format!("{}={example}", self.name(field)),
            Self::Fields => example.to_owned(),
        })
    }

    /// The row of a field; of the singular variable where that one was used.
    fn row(&self, field: &str) -> Option<&'static Setting> {
        match self {
            Self::Environment { singular: true, .. } if field == table::REPLICAS => {
                table::by_field(table::REPLICA)
            }
            Self::Environment { .. } | Self::Fields => table::by_field(field),
        }
    }
}

/// The problems found so far and the fields they belong to.
///
/// A field that already has a problem takes no part in comparisons: one mistake gives one line.
#[derive(Clone, Debug)]
pub(crate) struct Problems {
    source: SettingSource,
    /// With the row of the field; what belongs to no row comes last.
    found: Vec<(usize, Problem)>,
    fields: BTreeSet<&'static str>,
}

impl Problems {
    pub(crate) fn new(source: SettingSource) -> Self {
        Self {
            source,
            found: Vec::new(),
            fields: BTreeSet::new(),
        }
    }

    pub(crate) fn source(&self) -> &SettingSource {
        &self.source
    }

    /// A problem of a known field, with that field's example.
    pub(crate) fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.fields.insert(field);
        let problem = Problem {
            variable: self.source.name(field),
            message: message.into(),
            example: self.source.example(field),
        };
        self.found.push((table::index(field), problem));
    }

    /// A problem of a field that came by another way than its own name.
    pub(crate) fn add_as(&mut self, name: &str, field: &'static str, message: String) {
        self.fields.insert(field);
        let problem = Problem {
            variable: name.to_owned(),
            message,
            example: table::by_field(field).map(|setting| setting.example.to_owned()),
        };
        self.found.push((table::index(field), problem));
    }

    /// A problem of a name that is no field of ours.
    pub(crate) fn add_foreign(&mut self, name: String, message: String, example: Option<String>) {
        let problem = Problem {
            variable: name,
            message,
            example,
        };
        self.found.push((usize::MAX, problem));
    }

    /// Keeps a field out of all further checks, because its problem is reported elsewhere.
    pub(crate) fn mute(&mut self, field: &'static str) {
        self.fields.insert(field);
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    /// The error of a single problem.
    pub(crate) fn only(field: &'static str, message: String) -> ConfigError {
        let mut problems = Self::new(SettingSource::Fields);
        problems.add(field, message);
        problems.error()
    }

    pub(crate) fn result<T>(self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(self.error())
        }
    }

    fn error(mut self) -> ConfigError {
        self.found.sort_by_key(|(row, _)| *row);
        ConfigError {
            problems: self.found.into_iter().map(|(_, problem)| problem).collect(),
        }
    }
}
