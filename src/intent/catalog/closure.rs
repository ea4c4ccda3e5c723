//! Which of the user's objects are harmless, transitively.
//!
//! It starts from what each object shows by itself and takes trust away along the uses until nothing changes, so that
//! functions that call each other in a ring are judged by what else they do. An object that shows something that is
//! not understood is never trusted.

mod by_name;
mod local;
mod shown;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sea_orm::DbBackend;

use super::resolve::{self, Basis};
use super::rows::{CatalogRows, UseRow};
use super::{Catalog, Harm, RelationKind, Trust, reach};
use crate::intent::dialect::Dialect;
use crate::intent::functions::{self, Class};
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
    functions: Functions,
    relations: Relations,
    types: Types,
    operators: HashMap<String, Harm>,
    casts: HashMap<String, Harm>,
    silent_casts: BTreeMap<i64, String>,
    silent_cast: Option<String>,
}

/// The user's functions.
#[derive(Default)]
struct Functions {
    trust: HashMap<i64, Trust>,
    /// Compiled functions of extensions: nobody replaces their bodies.
    compiled: HashSet<i64>,
    /// By the user's word: uses do not take this away.
    by_word: HashSet<i64>,
    bodies: Vec<(i64, Judged)>,
    /// Extensions with compiled functions that nobody listed.
    unlisted: BTreeSet<String>,
}

/// The user's tables, views and sequences.
#[derive(Default)]
struct Relations {
    kinds: HashMap<i64, RelationKind>,
    /// Views that are known by their text, not by the ids in a tree.
    views: Vec<(i64, Judged)>,
    /// On another server.
    outside: HashSet<i64>,
    /// Views and tables with policies, all of whose settings are set wherever a text runs.
    local: HashSet<i64>,
}

/// The user's types.
struct Types {
    all: HashSet<i64>,
    harmful: HashSet<i64>,
    /// The user's types inside each of them, and in the columns of each relation.
    within: HashMap<i64, BTreeSet<i64>>,
    columns: HashMap<i64, BTreeSet<i64>>,
    /// Types that everybody may come by.
    open: BTreeSet<i64>,
}

impl Types {
    fn of(rows: &CatalogRows) -> Self {
        let open = rows.types.iter().filter(|row| row.open);
        let within = reach::types_within(rows);
        let mut columns: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for used in rows.uses.iter().filter(|used| used.class == "column") {
            let types = within.get(&used.target_id).cloned().unwrap_or_default();
            columns.entry(used.id).or_default().extend(types);
        }
        Self {
            all: rows.types.iter().map(|row| row.id).collect(),
            harmful: HashSet::new(),
            within,
            columns,
            open: open.map(|row| row.id).collect(),
        }
    }
}

impl<'a> Closure<'a> {
    fn new(dialect: Dialect, rows: &'a CatalogRows, settings: &Settings) -> Self {
        let mut closure = Self {
            dialect,
            rows,
            functions: Functions::default(),
            relations: Relations::default(),
            types: Types::of(rows),
            operators: HashMap::new(),
            casts: HashMap::new(),
            silent_casts: BTreeMap::new(),
            silent_cast: None,
        };
        closure.relations.local = local::readers_of_local(rows, settings);
        for row in &rows.functions {
            closure.function(row, settings);
        }
        for row in &rows.relations {
            closure.relation(row, settings);
        }
        closure
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
        for (id, judged) in &self.functions.bodies {
            if self.functions.trust.get(id) == Some(&Trust::Allowed)
                && resolve::resolve(judged, Basis::Known(&catalog)).0.intent != Intent::Read
            {
                self.functions.trust.insert(*id, Trust::Denied);
                changed = true;
            }
        }
        for (id, judged) in &self.relations.views {
            if self.relations.kinds.get(id) == Some(&RelationKind::View)
                && resolve::resolve(judged, Basis::Known(&catalog)).0.intent != Intent::Read
            {
                self.relations.kinds.insert(*id, RelationKind::Harmful);
                changed = true;
            }
        }
        changed
    }

    fn harmless(&self, used: &UseRow) -> bool {
        match used.target.as_str() {
            "function" => match self.functions.trust.get(&used.target_id) {
                Some(Trust::Allowed) => true,
                Some(Trust::Support) => used.support,
                Some(Trust::Denied) => false,
                None => built_in_harmless(used) || self.reads_local(used),
            },
            "relation" => match self.relations.kinds.get(&used.target_id) {
                Some(kind) => kind.is_harmless(),
                None => system_relation_harmless(used),
            },
            "type" => !self.types.harmful.contains(&used.target_id),
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
        meets(self.types.columns.get(&used.id))
            || match used.target.as_str() {
                "relation" => meets(self.types.columns.get(&used.target_id)),
                "type" => meets(self.types.within.get(&used.target_id)),
                // It may return one.
                _ => self.functions.trust.contains_key(&used.target_id),
            }
    }

    /// A use of something harmless may still lead to another server.
    fn reach(&mut self, used: &UseRow) -> bool {
        used.class == "relation"
            && used.target == "relation"
            && self.relations.outside.contains(&used.target_id)
            && self.relations.outside.insert(used.id)
    }

    fn take_away(&mut self, used: &UseRow) -> bool {
        match used.class.as_str() {
            "function" => {
                !self.functions.by_word.contains(&used.id)
                    && self.functions.trust.insert(used.id, Trust::Denied) != Some(Trust::Denied)
            }
            "relation" => {
                let kind = self
                    .relations
                    .kinds
                    .entry(used.id)
                    .or_insert(RelationKind::Harmful);
                let was = *kind;
                if was.is_harmless() {
                    *kind = RelationKind::Harmful;
                }
                was != *kind
            }
            "type" => self.types.all.contains(&used.id) && self.types.harmful.insert(used.id),
            "operator" => {
                let harm = self.operators.entry(used.name.clone()).or_default();
                harm.add(used, &self.types.open)
            }
            "cast" => {
                let harm = self.casts.entry(used.name.clone()).or_default();
                harm.add(used, &self.types.open)
            }
            "silent_cast" if used.left_type != 0 => self
                .silent_casts
                .insert(used.left_type, used.name.clone())
                .is_none(),
            _ => self.silent_cast.replace(used.name.clone()).is_none(),
        }
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
    relations::ruling_on(Dialect::Postgres, &name, &mut needs).is_none()
        && needs.relations.is_empty()
}
