//! What each of the user's objects shows by itself, before anything that it uses is looked at.

use super::Closure;
use crate::intent::catalog::rows::{FunctionRow, RelationRow};
use crate::intent::catalog::{RelationKind, Trust, extensions, plpgsql};
use crate::intent::dialect::Dialect;
use crate::intent::judge;
use crate::intent::judged::Judged;
use crate::intent::settings::Settings;
use crate::vocabulary::Intent;

impl Closure<'_> {
    /// What a function shows by itself.
    pub(super) fn function(&mut self, row: &FunctionRow, settings: &Settings) {
        let schema = Some(row.schema.as_str());
        let compiled = matches!(row.language.as_str(), "c" | "internal");
        if compiled && !row.extension.is_empty() {
            self.functions.compiled.insert(row.id);
        }
        let trust = if settings.denies(schema, &row.name) {
            Trust::Denied
        } else if settings.allows(schema, &row.name) {
            self.functions.by_word.insert(row.id);
            Trust::Allowed
        } else if row.kind == "a" {
            // An aggregate is what its support functions are, which stand among its uses.
            Trust::Allowed
        } else if row.kind != "f" || row.configured {
            Trust::Denied
        } else if compiled && extensions::harmless(&row.extension, &row.name, row.volatile) {
            Trust::Allowed
        } else if compiled && extensions::is_listed(&row.extension) {
            Trust::Support
        } else if row.volatile {
            Trust::Denied
        } else if compiled && !row.extension.is_empty() {
            Trust::Support
        } else {
            match body(row, settings) {
                Some(judged) if judged.ruling.intent == Intent::Read => {
                    self.functions.bodies.push((row.id, judged));
                    Trust::Allowed
                }
                _ => Trust::Denied,
            }
        };
        if compiled
            && trust != Trust::Allowed
            && !row.extension.is_empty()
            && !extensions::is_listed(&row.extension)
        {
            self.functions.unlisted.insert(row.extension.clone());
        }
        self.functions.trust.insert(row.id, trust);
    }

    pub(super) fn relation(&mut self, row: &RelationRow, settings: &Settings) {
        let mut kind = relation_kind(row);
        if row.kind == "f" {
            self.relations.outside.insert(row.id);
        }
        if kind == RelationKind::View && self.dialect == Dialect::MySql {
            let judged = judge::judge(self.dialect, &row.definition, settings);
            if judged.ruling.intent == Intent::Read {
                self.relations.views.push((row.id, judged));
            } else {
                kind = RelationKind::Harmful;
            }
        }
        self.relations.kinds.insert(row.id, kind);
    }
}

/// The judged body of a function in a language that is understood.
fn body(row: &FunctionRow, settings: &Settings) -> Option<Judged> {
    let mut judged = match row.language.as_str() {
        "sql" => judge::judge(Dialect::Postgres, &row.body, settings),
        "plpgsql" => plpgsql::judge(&row.body, settings),
        _ => return None,
    };
    // Its arguments may be of any.
    judged.needs.any_type = true;
    Some(judged)
}

fn relation_kind(row: &RelationRow) -> RelationKind {
    match (row.persistence.as_str(), row.kind.as_str()) {
        ("t", _) => RelationKind::Temporary,
        (_, "S") => RelationKind::Sequence,
        ("u", _) => RelationKind::Unlogged,
        (_, "r" | "p" | "m") => RelationKind::Table,
        (_, "v") if !row.locks => RelationKind::View,
        (_, "f") if row.wrapper == "postgres_fdw" => RelationKind::Foreign,
        (_, "f") => RelationKind::ForeignOther,
        _ => RelationKind::Harmful,
    }
}
