//! The catalog as statements look it up, by name, made of what is trusted in the end.

use std::collections::{BTreeSet, HashSet};

use super::Closure;
use crate::intent::catalog::{Catalog, Function, Relation, RelationKind, Trust, Type};

impl Closure<'_> {
    pub(super) fn catalog(&self) -> Catalog {
        let mut catalog = Catalog {
            operators: self.operators.clone(),
            casts: self.casts.clone(),
            silent_casts: self.silent_casts.clone(),
            silent_cast: self.silent_cast.clone(),
            unlisted: self.functions.unlisted.clone(),
            ..Catalog::default()
        };
        self.put_uses(&mut catalog);
        self.put_functions(&mut catalog);
        self.put_relations(&mut catalog);
        self.put_types(&mut catalog);
        catalog
    }

    /// Results, and operators and casts that somebody may replace.
    fn put_uses(&self, catalog: &mut Catalog) {
        let compiled = |id: &i64| self.functions.compiled.contains(id);
        for used in &self.rows.uses {
            match used.class.as_str() {
                "result" => catalog
                    .results
                    .entry(used.name.clone())
                    .or_default()
                    .extend(self.types_in(used.target_id)),
                "operator" if !compiled(&used.target_id) => {
                    catalog.soft_operators.insert(used.name.clone());
                }
                "cast" | "silent_cast" if !compiled(&used.target_id) => catalog.soft_casts = true,
                _ => {}
            }
        }
    }

    fn put_functions(&self, catalog: &mut Catalog) {
        for row in &self.rows.functions {
            let function = Function {
                schema: self.folded(&row.schema),
                trust: self
                    .functions
                    .trust
                    .get(&row.id)
                    .copied()
                    .unwrap_or(Trust::Denied),
                attribute: row.attribute,
            };
            catalog
                .functions
                .entry(self.folded(&row.name))
                .or_default()
                .push(function);
        }
    }

    fn put_relations(&self, catalog: &mut Catalog) {
        let uses = self.rows.uses.iter();
        let composed = uses.filter(|used| used.class == "relation");
        let composed: HashSet<i64> = composed.map(|used| used.id).collect();
        for row in &self.rows.relations {
            let relation = Relation {
                schema: self.folded(&row.schema),
                kind: self
                    .relations
                    .kinds
                    .get(&row.id)
                    .copied()
                    .unwrap_or(RelationKind::Harmful),
                outside: self.relations.outside.contains(&row.id),
                composed: composed.contains(&row.id),
                types: self.types.columns.get(&row.id).cloned().unwrap_or_default(),
            };
            catalog
                .relations
                .entry(self.folded(&row.name))
                .or_default()
                .push(relation);
        }
    }

    fn put_types(&self, catalog: &mut Catalog) {
        for row in &self.rows.types {
            let found = Type {
                schema: self.folded(&row.schema),
                harmless: !self.types.harmful.contains(&row.id),
                types: self.types_in(row.id),
            };
            catalog
                .types
                .entry(self.folded(&row.name))
                .or_default()
                .push(found);
        }
    }

    /// The user's types inside of this one.
    fn types_in(&self, id: i64) -> BTreeSet<i64> {
        self.types.within.get(&id).cloned().unwrap_or_default()
    }

    /// A name as texts will bear it.
    fn folded(&self, name: &str) -> String {
        self.dialect.fold(name, true)
    }
}
