//! What only the server knows, as data: which functions, relations, types, operators and casts are harmless (I5).
//!
//! A catalog is built from plain rows by a pure function (`closure`) and applied to judged texts by another
//! (`resolve`). What the catalog does not hold is not known, and so not harmless.

mod closure;
mod extensions;
mod plpgsql;
pub(crate) mod queries;
mod reach;
pub(crate) mod resolve;
pub(crate) mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) use closure::build;

use super::judged::Name;

/// How far a function of the user's is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// May write, lock, or reach out of the server.
    Denied,
    /// An extension's compiled function that is not volatile: harmless where the server calls it for an operator, a
    /// type or an overload of a built-in, which no text can avoid; not harmless when called by its own name.
    Support,
    /// Understood to the end.
    Allowed,
}

/// A function of the user's, one overload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) schema: String,
    pub(crate) trust: Trust,
    /// `row.f` calls it, without a parenthesis.
    pub(crate) attribute: bool,
}

/// What a relation is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelationKind {
    /// A table whose rows every standby has, or a materialized view.
    Table,
    /// A view, a partitioned table or a table with policies, all of whose parts are harmless.
    View,
    /// A table of another PostgreSQL server.
    Foreign,
    /// A view over something that is not harmless, or one that locks rows.
    Harmful,
    /// Unlogged, or with such a part: a standby cannot read it.
    Unlogged,
    /// Of one session, on one node.
    Temporary,
    /// A sequence: its value on a standby runs ahead.
    Sequence,
    /// Read through a wrapper that may do anything on the host.
    ForeignOther,
}

impl RelationKind {
    pub(crate) const fn is_harmless(self) -> bool {
        match self {
            Self::Table | Self::View | Self::Foreign => true,
            Self::Harmful
            | Self::Unlogged
            | Self::Temporary
            | Self::Sequence
            | Self::ForeignOther => false,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View | Self::Harmful => "view",
            Self::Foreign | Self::ForeignOther => "foreign table",
            Self::Unlogged => "unlogged table",
            Self::Temporary => "temporary table",
            Self::Sequence => "sequence",
        }
    }
}

/// A relation of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) kind: RelationKind,
    /// Reading it reaches another server.
    pub(crate) outside: bool,
    /// The relation rests on other objects: a view, a table with partitions, policies or computed columns.
    pub(crate) composed: bool,
    /// The user's types that its columns have, and those inside them.
    pub(crate) types: BTreeSet<i64>,
}

/// A type of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Type {
    pub(crate) schema: String,
    pub(crate) harmless: bool,
    /// Itself, and the user's types inside it or that it becomes.
    pub(crate) types: BTreeSet<i64>,
}

/// Who can reach something harmful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Harm {
    /// Whoever names it.
    pub(crate) always: bool,
    /// Whoever names it and has something of one of these types.
    pub(crate) types: BTreeSet<i64>,
}

/// Names map to all that bear them, whatever the schema: which one the search path finds is the session's affair, so
/// an unqualified name is harmless only if all of them are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) relations: HashMap<String, Vec<Relation>>,
    pub(crate) functions: HashMap<String, Vec<Function>>,
    pub(crate) types: HashMap<String, Vec<Type>>,
    /// Symbols of operators that call something that is not harmless.
    pub(crate) operators: HashMap<String, Harm>,
    /// Names of types that an explicit cast with a harmful function leads to.
    pub(crate) casts: HashMap<String, Harm>,
    /// Casts with a harmful function that the text need not mention, by the type that is cast.
    pub(crate) silent_casts: BTreeMap<i64, String>,
    /// A cast from a type of the server's with a harmful function that needs no mention in the text.
    pub(crate) silent_cast: Option<String>,
    /// Symbols of operators that call functions which anybody may replace.
    pub(crate) soft_operators: BTreeSet<String>,
    /// Functions which anybody may replace stand behind casts.
    pub(crate) soft_casts: bool,
    /// The user's types that operators give for others.
    pub(crate) results: HashMap<String, BTreeSet<i64>>,
    /// Extensions whose functions are not known to be harmless.
    pub(crate) unlisted: BTreeSet<String>,
}

impl Catalog {
    /// The relations that a name may mean.
    pub(crate) fn relations_named<'a>(
        &'a self,
        name: &'a Name,
    ) -> impl Iterator<Item = &'a Relation> {
        self.relations
            .get(&name.name)
            .into_iter()
            .flatten()
            .filter(move |relation| name.schema.as_ref().is_none_or(|s| *s == relation.schema))
    }
}
