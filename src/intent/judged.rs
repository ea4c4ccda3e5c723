//! What a text says by itself, and what only the server can add.
//!
//! Judging is pure; the catalog is applied to the result (`catalog::resolve`). A text that is not a read by itself
//! stays what it is: the catalog may allow an unknown function, never a statement that writes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::vocabulary::{Intent, Reason};

/// The intent of a text, why, and the words that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) intent: Intent,
    pub(crate) reason: Reason,
    /// Keywords and names only, never a literal: it is shown in logs.
    pub(crate) part: Cow<'static, str>,
}

impl Ruling {
    pub(crate) const READ: Self = Self {
        intent: Intent::Read,
        reason: Reason::Replica,
        part: Cow::Borrowed("the whole text"),
    };

    pub(crate) fn write(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Intent::Write, Reason::Write, part)
    }

    pub(crate) fn primary(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Intent::Primary, Reason::PrimaryOnly, part)
    }

    pub(crate) fn session(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Intent::Session, Reason::SessionState, part)
    }

    pub(crate) fn unparsed(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Intent::Primary, Reason::Unparsed, part)
    }

    pub(crate) fn unknown(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Intent::Primary, Reason::UnknownFunction, part)
    }

    pub(crate) fn new(intent: Intent, reason: Reason, part: impl Into<Cow<'static, str>>) -> Self {
        Self {
            intent,
            reason,
            part: part.into(),
        }
    }

    /// Keeps the stricter of two; of equals, the first.
    pub(crate) fn raise(&mut self, other: Self) {
        if other.intent > self.intent {
            *self = other;
        }
    }
}

/// A name as the server compares it, with its schema when the text gives one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    pub(crate) fn new(schema: Option<String>, name: String) -> Self {
        Self { schema, name }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What the text uses and only the server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Tables and views that the text reads, system relations that the tables of this crate know left out.
    pub(crate) relations: BTreeSet<Name>,
    /// Names that a common table expression defines too: they count only if the catalog knows harm of them.
    pub(crate) perhaps_relations: BTreeSet<Name>,
    /// Functions that are not built in, as far as the text shows.
    pub(crate) unknown_functions: BTreeSet<Name>,
    /// Harmless built-ins called without a schema: a user's function may shadow them.
    pub(crate) built_ins: BTreeSet<String>,
    /// Types of casts that are not built in.
    pub(crate) types: BTreeSet<Name>,
    /// Operators, those that keywords stand for included.
    pub(crate) operators: BTreeSet<String>,
    /// Names behind a dot and before no parenthesis: `row.f` may call `f(row)`.
    pub(crate) attributes: BTreeSet<String>,
    /// Every name in the text: a type stands in many places of the grammar.
    pub(crate) words: BTreeSet<String>,
    /// How many literals without a type of their own stand in it.
    pub(crate) literals: usize,
    /// The statement may have values of types that it does not name.
    pub(crate) any_type: bool,
}

impl Needs {
    pub(crate) fn merge(&mut self, other: Self) {
        self.relations.extend(other.relations);
        self.perhaps_relations.extend(other.perhaps_relations);
        self.unknown_functions.extend(other.unknown_functions);
        self.built_ins.extend(other.built_ins);
        self.types.extend(other.types);
        self.operators.extend(other.operators);
        self.attributes.extend(other.attributes);
        self.words.extend(other.words);
        self.literals += other.literals;
        self.any_type |= other.any_type;
    }
}

/// What kind of statement a text holds, as far as a failed one must be understood (T9) or a cache be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum TextKind {
    /// Nothing but blanks and comments.
    #[default]
    Empty,
    /// One SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, REPLACE or MERGE, with or without WITH: the server runs it
    /// whole or not at all.
    Plain,
    /// One statement of another kind: an error answer does not say that nothing was done.
    Other,
    /// More than one statement.
    Several,
}

/// What else the router must know of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Traits {
    pub(crate) kind: TextKind,
    /// Every function is built in and called as such: I6 may run the statement again.
    pub(crate) functions_built_in: bool,
    /// May reach beyond this server: I6 must not run it again.
    pub(crate) may_act_outside: bool,
    /// Changes the schema: the catalog must be read again.
    pub(crate) ddl: bool,
    /// Something in it is only not known yet, so that another reading of the catalog may tell.
    pub(crate) unknown: bool,
}

/// A judged text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) ruling: Ruling,
    pub(crate) needs: Needs,
    pub(crate) traits: Traits,
}

impl Judged {
    pub(crate) fn of(ruling: Ruling, kind: TextKind) -> Self {
        Self {
            ruling,
            needs: Needs::default(),
            traits: Traits {
                kind,
                functions_built_in: true,
                ..Traits::default()
            },
        }
    }

    /// Adds another statement of the same text, or another reading of it.
    pub(crate) fn merge(&mut self, other: Self) {
        self.ruling.raise(other.ruling);
        self.needs.merge(other.needs);
        self.traits.functions_built_in &= other.traits.functions_built_in;
        self.traits.may_act_outside |= other.traits.may_act_outside;
        self.traits.ddl |= other.traits.ddl;
    }
}
