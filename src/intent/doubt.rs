//! What of the server's catalog is not believed for the moment, because the schema changed since it was read.

use std::collections::BTreeSet;

use super::catalog::{Catalog, RelationKind};
use super::change::Change;
use super::judged::Judged;

/// What changed since the catalog was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doubt {
    anything: bool,
    names: BTreeSet<String>,
}

impl Doubt {
    pub(crate) fn is_empty(&self) -> bool {
        !self.anything && self.names.is_empty()
    }

    /// Whether what bears this name may have changed.
    pub(crate) fn touches(&self, name: &str) -> bool {
        self.anything || self.names.contains(name)
    }

    pub(crate) fn add(&mut self, change: &Change) {
        match change {
            Change::Nothing | Change::Perhaps => {}
            Change::Named(names) => self.names.extend(names.iter().cloned()),
            Change::Anything => self.anything = true,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.anything |= other.anything;
        self.names.extend(other.names.iter().cloned());
    }

    /// Whether none of it can have touched this text: it reads plain tables by built-in means only, and bears none of
    /// the names. A view, a function, a partitioned table or an operator of the user's rests on things that its user
    /// does not name.
    pub(crate) fn spares(&self, judged: &Judged, catalog: &Catalog) -> bool {
        let needs = &judged.needs;
        if self.anything || catalog.soft_casts {
            // What uses nothing that has a name.
            return needs.relations.is_empty()
                && needs.perhaps_relations.is_empty()
                && needs.types.is_empty()
                && needs.unknown_functions.is_empty()
                && needs.built_ins.is_empty()
                && needs.operators.is_empty();
        }
        let by_itself = needs.unknown_functions.is_empty() && needs.types.is_empty();
        let plain = needs
            .relations
            .iter()
            .chain(&needs.perhaps_relations)
            .all(|name| {
                let named = name.schema.iter().chain([&name.name]);
                let unnamed = named.into_iter().all(|name| !self.names.contains(name));
                let mut relations = catalog.relations_named(name);
                unnamed && relations.all(|one| one.kind == RelationKind::Table && !one.composed)
            });
        by_itself
            && plain
            && self.names.is_disjoint(&needs.words)
            && self.names.is_disjoint(&needs.built_ins)
            && needs.operators.is_disjoint(&catalog.soft_operators)
    }
}
