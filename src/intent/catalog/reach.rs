//! Which texts can reach an operator or a cast of the user's types.
//!
//! An operator is chosen by the types of its operands. One whose both arguments are types of the user's is out of reach
//! of a text that has nothing of such a type: no column, no cast, no function of the user's that could return it. What
//! the server decides by itself is left to the strict side: a domain, a type that strings prefer, and one with an
//! implicit cast from the server's own stand open to everybody; and of two literals without a type an operator may make
//! whatever it wants, unless the symbol is one that strings have, since strings come first.

use std::collections::{BTreeSet, HashMap};

use super::rows::{CatalogRows, UseRow};
use super::{Catalog, Harm};
use crate::intent::judged::{Judged, Name};

/// Symbols that the server has for two strings.
const OF_STRINGS: [&str; 19] = [
    "=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "||",
    "~<~", "~<=~", "~>=~", "~>~",
];

/// By these the server compares values of a type wherever it has to: in arrays, ranges and rows, for GREATEST and max,
/// for a sort that no operator in the text shows.
const COMPARE: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

/// The types that cannot be compared without harm.
pub(super) fn compared(operators: &HashMap<String, Harm>) -> BTreeSet<i64> {
    let harmful = COMPARE.iter().filter_map(|symbol| operators.get(*symbol));
    harmful.flat_map(|harm| &harm.types).copied().collect()
}

/// The types that stand in or behind each of the user's.
pub(super) fn types_within(rows: &CatalogRows) -> HashMap<i64, BTreeSet<i64>> {
    let mut within: HashMap<i64, BTreeSet<i64>> = rows
        .types
        .iter()
        .map(|row| (row.id, BTreeSet::from([row.id])))
        .collect();
    let leads =
        |used: &&UseRow| matches!(used.class.as_str(), "type" | "becomes") && used.target == "type";
    loop {
        let mut changed = false;
        for used in rows.uses.iter().filter(leads) {
            let more = within.get(&used.target_id).cloned().unwrap_or_default();
            let known = within.entry(used.id).or_default();
            let before = known.len();
            known.extend(more);
            changed |= known.len() != before;
        }
        if !changed {
            return within;
        }
    }
}

impl Harm {
    /// One more way to something harmful. `open`: types that everybody may come by.
    pub(super) fn add(&mut self, used: &UseRow, open: &BTreeSet<i64>) -> bool {
        let was = self.clone();
        let types = [used.left_type, used.right_type];
        let bound: Vec<i64> = types.into_iter().filter(|id| *id != 0).collect();
        self.always |= bound.is_empty() || bound.iter().any(|id| open.contains(id));
        self.types.extend(bound);
        *self != was
    }
}

impl Catalog {
    /// Whether a text that names something harmful can reach it. `symbol`: it is this operator.
    pub(super) fn is_reached(&self, harm: &Harm, judged: &Judged, symbol: Option<&str>) -> bool {
        let literals = symbol.is_some_and(|symbol| !OF_STRINGS.contains(&symbol));
        harm.always || (literals && judged.needs.literals > 1) || self.has_any(&harm.types, judged)
    }

    /// Whether the text may let the server compare values that cannot be compared without harm, by whatever it calls.
    pub(super) fn compares(&self, judged: &Judged) -> bool {
        let needs = &judged.needs;
        let calls = !needs.operators.is_empty() || !needs.built_ins.is_empty();
        calls && self.has_any(&compared(&self.operators), judged)
    }

    /// Whether the text may have something of one of these types.
    pub(super) fn has_any(&self, types: &BTreeSet<i64>, judged: &Judged) -> bool {
        let needs = &judged.needs;
        if types.is_empty() {
            return false;
        }
        let meets = |found: &BTreeSet<i64>| !found.is_disjoint(types);
        let column = |name: &Name| self.relations_named(name).any(|found| meets(&found.types));
        needs.any_type
            || !needs.unknown_functions.is_empty()
            || needs.relations.iter().any(column)
            || needs.perhaps_relations.iter().any(column)
            || needs
                .words
                .iter()
                .filter_map(|word| self.types.get(word))
                .flatten()
                .any(|found| meets(&found.types))
            || needs
                .operators
                .iter()
                .filter_map(|symbol| self.results.get(symbol))
                .any(meets)
    }
}
