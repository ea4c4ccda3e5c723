//! Applies a catalog to a judged text.
//!
//! Only a text that is a read by itself can become one here; of all that it uses, the first thing that is not known to
//! be harmless decides.

use std::collections::BTreeSet;

use super::{Catalog, RelationKind, Trust};
use crate::intent::doubt::Doubt;
use crate::intent::judged::{Judged, Name, Ruling, Traits};
use crate::intent::types;
use crate::vocabulary::Intent;

/// What a text is resolved against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Basis<'a> {
    /// No catalog is wanted: relations, types and operators are taken for harmless.
    Trusted,
    /// The catalog has not been read yet: nothing of the user's is.
    Awaited,
    Known(&'a Catalog),
    /// The schema changed since.
    Doubted(&'a Catalog, &'a Doubt),
}

pub(crate) fn resolve(judged: &Judged, basis: Basis<'_>) -> (Ruling, Traits) {
    let mut traits = judged.traits;
    if judged.ruling.intent != Intent::Read {
        return (judged.ruling.clone(), traits);
    }
    let objection = match basis {
        Basis::Trusted => unknown_function(judged),
        Basis::Awaited => unknown_function(judged).or_else(|| not_yet_known(judged)),
        Basis::Known(catalog) => {
            traits.may_act_outside |= acts_outside(judged, catalog);
            catalog.object(judged)
        }
        Basis::Doubted(catalog, doubt) => {
            traits.may_act_outside |= acts_outside(judged, catalog);
            catalog.object(judged).or_else(|| {
                (!doubt.spares(judged, catalog))
                    .then(|| Ruling::primary("the schema, which has changed"))
            })
        }
    };
    traits.unknown = objection.is_some()
        && match basis {
            Basis::Trusted => false,
            Basis::Awaited | Basis::Doubted(..) => true,
            Basis::Known(catalog) => catalog.lacks(judged),
        };
    (objection.unwrap_or(Ruling::READ), traits)
}

fn unknown_function(judged: &Judged) -> Option<Ruling> {
    let name = judged.needs.unknown_functions.first()?;
    Some(Ruling::unknown(format!("function {name}")))
}

fn not_yet_known(judged: &Judged) -> Option<Ruling> {
    let relation = judged
        .needs
        .relations
        .first()
        .map(|name| format!("relation {name}"));
    let data_type = || {
        judged
            .needs
            .types
            .first()
            .map(|name| format!("type {name}"))
    };
    // `(1).f` may call a function of the user's.
    let attribute = || {
        let name = judged.needs.attributes.first()?;
        Some(format!("function {name}"))
    };
    Some(Ruling::primary(
        relation.or_else(data_type).or_else(attribute)?,
    ))
}

fn acts_outside(judged: &Judged, catalog: &Catalog) -> bool {
    let needs = &judged.needs;
    needs
        .relations
        .iter()
        .chain(&needs.perhaps_relations)
        .flat_map(|name| catalog.relations_named(name))
        .any(|relation| relation.outside)
}

impl Catalog {
    /// What in the text is not harmless, if anything.
    fn object(&self, judged: &Judged) -> Option<Ruling> {
        let needs = &judged.needs;
        needs
            .unknown_functions
            .iter()
            .find_map(|name| self.function(name))
            .or_else(|| needs.built_ins.iter().find_map(|name| self.shadow(name)))
            .or_else(|| {
                needs
                    .relations
                    .iter()
                    .find_map(|name| self.relation(name, true))
            })
            .or_else(|| {
                needs
                    .perhaps_relations
                    .iter()
                    .find_map(|name| self.relation(name, false))
            })
            .or_else(|| needs.types.iter().find_map(|name| self.data_type(name)))
            .or_else(|| needs.words.iter().find_map(|word| self.word(word)))
            .or_else(|| {
                needs
                    .attributes
                    .iter()
                    .find_map(|name| self.attribute(name))
            })
            .or_else(|| {
                needs
                    .operators
                    .iter()
                    .find_map(|symbol| self.operator(symbol, judged))
            })
            .or_else(|| {
                self.compares(judged)
                    .then(|| Ruling::unknown("a type whose comparison is not harmless"))
            })
            .or_else(|| self.cast(judged))
    }

    /// Whether the text uses a name that may have come into the world since.
    fn lacks(&self, judged: &Judged) -> bool {
        let needs = &judged.needs;
        let has = |name: &Name| name.schema.as_deref() == Some("pg_catalog");
        needs
            .relations
            .iter()
            .any(|name| self.relations_named(name).next().is_none())
            || needs.types.iter().any(|name| {
                let mut found = self.types.get(&name.name).into_iter().flatten();
                !found.any(|one| name.schema.as_ref().is_none_or(|s| *s == one.schema))
            })
            || needs.unknown_functions.iter().any(|name| {
                let mut found = self.functions.get(&name.name).into_iter().flatten();
                !has(name)
                    && !found.any(|one| name.schema.as_ref().is_none_or(|s| *s == one.schema))
            })
    }

    fn function(&self, name: &Name) -> Option<Ruling> {
        let mut found = self
            .functions
            .get(&name.name)
            .into_iter()
            .flatten()
            .filter(|function| name.schema.as_ref().is_none_or(|s| *s == function.schema))
            .peekable();
        if found.peek().is_none() {
            if types::built_in(name) {
                return None;
            }
            // `t(x)` casts to the type t.
            return self
                .data_type(name)
                .map(|_| Ruling::unknown(format!("function {name}")));
        }
        found
            .any(|function| function.trust != Trust::Allowed)
            .then(|| Ruling::unknown(format!("function {name}")))
    }

    /// A function of the user's that a call of a built-in may reach instead.
    fn shadow(&self, name: &str) -> Option<Ruling> {
        self.functions
            .get(name)?
            .iter()
            .any(|function| function.trust < Trust::Support)
            .then(|| Ruling::unknown(format!("function {name}")))
    }

    fn relation(&self, name: &Name, must_be_known: bool) -> Option<Ruling> {
        let mut known = false;
        for relation in self.relations_named(name) {
            known = true;
            if !relation.kind.is_harmless() {
                let part = format!("{} {name}", relation.kind.word());
                return Some(if relation.kind == RelationKind::Temporary {
                    Ruling::session(part)
                } else {
                    Ruling::primary(part)
                });
            }
        }
        (must_be_known && !known).then(|| Ruling::primary(format!("relation {name}")))
    }

    fn data_type(&self, name: &Name) -> Option<Ruling> {
        let mut known = false;
        for found in self.types.get(&name.name).into_iter().flatten() {
            if name.schema.as_ref().is_none_or(|s| *s == found.schema) {
                known = true;
                if !found.harmless {
                    known = false;
                    break;
                }
            }
        }
        (!known).then(|| Ruling::unknown(format!("type {name}")))
    }

    /// A name anywhere in the text that a harmful type bears.
    fn word(&self, word: &str) -> Option<Ruling> {
        self.types
            .get(word)?
            .iter()
            .any(|found| !found.harmless)
            .then(|| Ruling::unknown(format!("type {word}")))
    }

    /// A name behind a dot that a function of rows bears.
    fn attribute(&self, name: &str) -> Option<Ruling> {
        self.functions
            .get(name)?
            .iter()
            .any(|function| function.attribute && function.trust == Trust::Denied)
            .then(|| Ruling::unknown(format!("function {name}")))
    }

    fn operator(&self, symbol: &str, judged: &Judged) -> Option<Ruling> {
        let harm = self.operators.get(symbol)?;
        self.is_reached(harm, judged, Some(symbol))
            .then(|| Ruling::unknown(format!("operator {symbol}")))
    }

    fn cast(&self, judged: &Judged) -> Option<Ruling> {
        let needs = &judged.needs;
        if let Some(target) = &self.silent_cast {
            // A constant needs no cast of the user's; anything else may.
            if !needs.relations.is_empty()
                || !needs.types.is_empty()
                || !needs.unknown_functions.is_empty()
            {
                return Some(Ruling::unknown(format!("cast to {target}")));
            }
        }
        let bound = self
            .silent_casts
            .iter()
            .find(|(source, _)| self.has_any(&BTreeSet::from([**source]), judged));
        if let Some((_, target)) = bound {
            return Some(Ruling::unknown(format!("cast to {target}")));
        }
        // A cast to a type of the user's names it; one to a built-in type may spell it in several ways.
        let explicit = needs.operators.contains("::") || needs.words.contains("cast");
        self.casts
            .iter()
            .find(|(target, harm)| {
                needs.words.contains(*target)
                    || (explicit
                        && !self.types.contains_key(*target)
                        && self.is_reached(harm, judged, None))
            })
            .map(|(target, _)| Ruling::unknown(format!("cast to {target}")))
    }
}
