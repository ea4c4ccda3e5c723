//! Which of the user's objects are harmless, transitively.
//!
//! It starts from what each object shows by itself and takes trust away along the uses until nothing changes, so that
//! functions that call each other in a ring are judged by what else they do. An object that shows something that is
//! not understood is never trusted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sea_orm::DbBackend;

use super::resolve::{self, Basis};
use super::rows::{CatalogRows, FunctionRow, RelationRow, UseRow};
use super::{
    Catalog, Function, Harm, Relation, RelationKind, Trust, Type, extensions, plpgsql, reach,
};
use crate::intent::dialect::Dialect;
use crate::intent::functions::{self, Class};
use crate::intent::judge;
use crate::intent::judged::{Judged, Name, Needs};
use crate::intent::relations;
use crate::intent::settings::Settings;
use crate::vocabulary::Intent;

/// Builds the catalog of one reading.
pub(crate) fn build(backend: DbBackend, rows: &CatalogRows, settings: &Settings) -> Catalog {
    let Some(dialect) = Dialect::of(backend) else {
        return Catalog::default();
    };
    let mut closure = Closure::new(dialect, rows, settings);
    while closure.step() {}
    closure.catalog()
}

struct Closure<'a> {
    dialect: Dialect,
    rows: &'a CatalogRows,
    trust: HashMap<i64, Trust>,
    /// Compiled functions of extensions: nobody replaces their bodies.
    compiled: HashSet<i64>,
    /// By the user's word: uses do not take this away.
    by_word: HashSet<i64>,
    bodies: Vec<(i64, Judged)>,
    /// Views that are known by their text, not by the ids in a tree.
    views: Vec<(i64, Judged)>,
    relations: HashMap<i64, RelationKind>,
    outside: HashSet<i64>,
    harmful_types: HashSet<i64>,
    types: HashSet<i64>,
    /// The user's types inside each of them, and in the columns of each relation.
    within: HashMap<i64, BTreeSet<i64>>,
    columns: HashMap<i64, BTreeSet<i64>>,
    /// Types that everybody may come by.
    open: BTreeSet<i64>,
    operators: HashMap<String, Harm>,
    casts: HashMap<String, Harm>,
    silent_casts: BTreeMap<i64, String>,
    silent_cast: Option<String>,
    unlisted: BTreeSet<String>,
}

impl<'a> Closure<'a> {
    fn new(dialect: Dialect, rows: &'a CatalogRows, settings: &Settings) -> Self {
        let mut closure = Self {
            dialect,
            rows,
            trust: HashMap::new(),
            compiled: HashSet::new(),
            by_word: HashSet::new(),
            bodies: Vec::new(),
            views: Vec::new(),
            relations: HashMap::new(),
            outside: HashSet::new(),
            harmful_types: HashSet::new(),
            types: rows.types.iter().map(|row| row.id).collect(),
            within: reach::types_within(rows),
            columns: HashMap::new(),
            open: rows
                .types
                .iter()
                .filter(|row| row.open)
                .map(|row| row.id)
                .collect(),
            operators: HashMap::new(),
            casts: HashMap::new(),
            silent_casts: BTreeMap::new(),
            silent_cast: None,
            unlisted: BTreeSet::new(),
        };
        for used in rows.uses.iter().filter(|used| used.class == "column") {
            let types = closure.within.get(&used.target_id);
            let types = types.cloned().unwrap_or_default();
            closure.columns.entry(used.id).or_default().extend(types);
        }
        for row in &rows.functions {
            closure.function(row, settings);
        }
        for row in &rows.relations {
            closure.relation(row, settings);
        }
        closure
    }

    /// What a function shows by itself.
    fn function(&mut self, row: &FunctionRow, settings: &Settings) {
        let schema = Some(row.schema.as_str());
        let compiled = matches!(row.language.as_str(), "c" | "internal");
        if compiled && !row.extension.is_empty() {
            self.compiled.insert(row.id);
        }
        let trust = if settings.denies(schema, &row.name) {
            Trust::Denied
        } else if settings.allows(schema, &row.name) {
            self.by_word.insert(row.id);
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
                    self.bodies.push((row.id, judged));
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
            self.unlisted.insert(row.extension.clone());
        }
        self.trust.insert(row.id, trust);
    }

    fn relation(&mut self, row: &RelationRow, settings: &Settings) {
        let mut kind = relation_kind(row);
        if row.kind == "f" {
            self.outside.insert(row.id);
        }
        if kind == RelationKind::View && self.dialect == Dialect::MySql {
            let judged = judge::judge(self.dialect, &row.definition, settings);
            if judged.ruling.intent == Intent::Read {
                self.views.push((row.id, judged));
            } else {
                kind = RelationKind::Harmful;
            }
        }
        self.relations.insert(row.id, kind);
    }

    /// Takes trust away once along every use and through every body; whether anything changed.
    fn step(&mut self) -> bool {
        let mut changed = false;
        let compared = reach::compared(&self.operators);
        for used in &self.rows.uses {
            if matches!(used.class.as_str(), "column" | "becomes" | "result") {
                continue;
            }
            if self.harmless(used) && !self.may_compare(used, &compared) {
                changed |= self.reach(used);
            } else {
                changed |= self.take_away(used);
            }
        }
        let catalog = self.catalog();
        for (id, judged) in &self.bodies {
            if self.trust.get(id) == Some(&Trust::Allowed)
                && resolve::resolve(judged, Basis::Known(&catalog)).0.intent != Intent::Read
            {
                self.trust.insert(*id, Trust::Denied);
                changed = true;
            }
        }
        for (id, judged) in &self.views {
            if self.relations.get(id) == Some(&RelationKind::View)
                && resolve::resolve(judged, Basis::Known(&catalog)).0.intent != Intent::Read
            {
                self.relations.insert(*id, RelationKind::Harmful);
                changed = true;
            }
        }
        changed
    }

    /// A name as texts will bear it.
    fn folded(&self, name: &str) -> String {
        self.dialect.fold(name, true)
    }

    fn harmless(&self, used: &UseRow) -> bool {
        match used.target.as_str() {
            "function" => match self.trust.get(&used.target_id) {
                Some(Trust::Allowed) => true,
                Some(Trust::Support) => used.support,
                Some(Trust::Denied) => false,
                None => built_in_harmless(used),
            },
            "relation" => match self.relations.get(&used.target_id) {
                Some(kind) => kind.is_harmless(),
                None => system_relation_harmless(used),
            },
            "type" => !self.harmful_types.contains(&used.target_id),
            _ => false,
        }
    }

    /// Whether a view, or whatever else of a relation is made of a tree, may compare values of these types. The tree shows
    /// only some of the operators that stand behind it.
    fn may_compare(&self, used: &UseRow, compared: &BTreeSet<i64>) -> bool {
        if compared.is_empty() || used.class != "relation" {
            return false;
        }
        let meets =
            |found: Option<&BTreeSet<i64>>| found.is_some_and(|types| !types.is_disjoint(compared));
        meets(self.columns.get(&used.id))
            || match used.target.as_str() {
                "relation" => meets(self.columns.get(&used.target_id)),
                "type" => meets(self.within.get(&used.target_id)),
                // It may return one.
                _ => self.trust.contains_key(&used.target_id),
            }
    }

    /// A use of something harmless may still lead to another server.
    fn reach(&mut self, used: &UseRow) -> bool {
        used.class == "relation"
            && used.target == "relation"
            && self.outside.contains(&used.target_id)
            && self.outside.insert(used.id)
    }

    fn take_away(&mut self, used: &UseRow) -> bool {
        match used.class.as_str() {
            "function" => {
                !self.by_word.contains(&used.id)
                    && self.trust.insert(used.id, Trust::Denied) != Some(Trust::Denied)
            }
            "relation" => {
                let kind = self
                    .relations
                    .entry(used.id)
                    .or_insert(RelationKind::Harmful);
                let was = *kind;
                if was.is_harmless() {
                    *kind = RelationKind::Harmful;
                }
                was != *kind
            }
            "type" => self.types.contains(&used.id) && self.harmful_types.insert(used.id),
            "operator" => {
                let harm = self.operators.entry(used.name.clone()).or_default();
                harm.add(used, &self.open)
            }
            "cast" => {
                let harm = self.casts.entry(used.name.clone()).or_default();
                harm.add(used, &self.open)
            }
            "silent_cast" if used.left_type != 0 => self
                .silent_casts
                .insert(used.left_type, used.name.clone())
                .is_none(),
            _ => self.silent_cast.replace(used.name.clone()).is_none(),
        }
    }

    fn catalog(&self) -> Catalog {
        let mut catalog = Catalog {
            operators: self.operators.clone(),
            casts: self.casts.clone(),
            silent_casts: self.silent_casts.clone(),
            silent_cast: self.silent_cast.clone(),
            unlisted: self.unlisted.clone(),
            ..Catalog::default()
        };
        let types_in = |id: i64| self.within.get(&id).cloned().unwrap_or_default();
        let mut composed = HashSet::new();
        let compiled = |id: &i64| self.compiled.contains(id);
        for used in &self.rows.uses {
            match used.class.as_str() {
                "relation" => {
                    composed.insert(used.id);
                }
                "result" => catalog
                    .results
                    .entry(used.name.clone())
                    .or_default()
                    .extend(types_in(used.target_id)),
                "operator" if !compiled(&used.target_id) => {
                    catalog.soft_operators.insert(used.name.clone());
                }
                "cast" | "silent_cast" if !compiled(&used.target_id) => catalog.soft_casts = true,
                _ => {}
            }
        }
        for row in &self.rows.functions {
            let function = Function {
                schema: self.folded(&row.schema),
                trust: self.trust.get(&row.id).copied().unwrap_or(Trust::Denied),
                attribute: row.attribute,
            };
            catalog
                .functions
                .entry(self.folded(&row.name))
                .or_default()
                .push(function);
        }
        for row in &self.rows.relations {
            let relation = Relation {
                schema: self.folded(&row.schema),
                kind: self
                    .relations
                    .get(&row.id)
                    .copied()
                    .unwrap_or(RelationKind::Harmful),
                outside: self.outside.contains(&row.id),
                composed: composed.contains(&row.id),
                types: self.columns.get(&row.id).cloned().unwrap_or_default(),
            };
            catalog
                .relations
                .entry(self.folded(&row.name))
                .or_default()
                .push(relation);
        }
        for row in &self.rows.types {
            let found = Type {
                schema: self.folded(&row.schema),
                harmless: !self.harmful_types.contains(&row.id),
                types: types_in(row.id),
            };
            catalog
                .types
                .entry(self.folded(&row.name))
                .or_default()
                .push(found);
        }
        catalog
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

/// A function of the server's own, called by its resolved identity: listed as harmless, or immutable and not listed.
fn built_in_harmless(used: &UseRow) -> bool {
    used.target_schema == "pg_catalog"
        && match functions::class(Dialect::Postgres, &used.target_name) {
            Some(Class::Read) => true,
            Some(Class::Session | Class::Primary | Class::Write) => false,
            None => used.immutable,
        }
}

fn system_relation_harmless(used: &UseRow) -> bool {
    let name = Name::new(Some(used.target_schema.clone()), used.target_name.clone());
    let mut needs = Needs::default();
    relations::judge(Dialect::Postgres, &name, &mut needs).is_none() && needs.relations.is_empty()
}
