//! What has been learnt of a query, by whichever of its readers: by its clauses ([`query`](super::query)), and by its bare
//! tokens ([`scan`](super::scan)).

use super::dialect::Dialect;
use super::functions::{self, Class};
use super::judged::{Judged, Name, Needs, Ruling, TextKind, Traits};
use super::settings::Settings;
use super::{relations, types};
use crate::vocabulary::{Intent, Reason};

/// Whether the server runs the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Run,
    /// Only a plan is made: nothing is written, but functions that are not volatile may be called.
    Plan,
}

/// What has been learnt of a query so far.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) settings: &'a Settings,
    pub(crate) needs: Needs,
    purpose: Purpose,
    ruling: Ruling,
    /// What holds even where the statement is only planned.
    firm: Ruling,
    reads_relations: bool,
    only_built_in: bool,
    /// SELECT INTO makes a table.
    pub(crate) creates: bool,
    /// The names that common table expressions define, those of the outer queries first.
    pub(super) defined: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(dialect: Dialect, settings: &'a Settings, purpose: Purpose) -> Self {
        Self {
            dialect,
            settings,
            needs: Needs::default(),
            purpose,
            ruling: Ruling::READ,
            firm: Ruling::READ,
            reads_relations: false,
            only_built_in: true,
            creates: false,
            defined: Vec::new(),
        }
    }

    pub(crate) fn raise(&mut self, ruling: Ruling) {
        if ruling.reason == Reason::Unparsed {
            self.firm.raise(ruling.clone());
        }
        self.ruling.raise(ruling);
    }

    /// Whether something in it writes.
    pub(super) fn writes(&self) -> bool {
        self.ruling.intent == Intent::Write
    }

    pub(super) fn judged(mut self, lock_words: bool) -> Judged {
        if lock_words && (self.reads_relations || self.ruling.reason == Reason::Unparsed) {
            self.raise(Ruling::write("row lock"));
        }
        let ruling = match self.purpose {
            Purpose::Run => {
                self.ruling.raise(self.firm);
                self.ruling
            }
            Purpose::Plan => self.firm,
        };
        Judged {
            ruling,
            needs: self.needs,
            traits: Traits {
                kind: TextKind::Plain,
                functions_built_in: self.only_built_in,
                may_act_outside: false,
                ddl: self.creates,
                unknown: false,
            },
        }
    }

    /// A call of this name, wherever it stands.
    pub(super) fn call(&mut self, name: Name) {
        let schema = name.schema.as_deref();
        let built_in = match (self.dialect, schema) {
            (_, None) | (Dialect::Postgres, Some("pg_catalog")) => {
                functions::class(self.dialect, &name.name)
            }
            _ => None,
        };
        if self.settings.denies(schema, &name.name) {
            let ruling = Ruling::primary(format!("function {name}"));
            self.firm.raise(ruling.clone());
            self.raise(ruling);
            return;
        }
        match built_in {
            // Not even the user's list makes a read of what is known to write.
            Some(Class::Write) => self.raise(of_class(Class::Write, &name)),
            _ if self.settings.allows(schema, &name.name) => self.only_built_in = false,
            Some(Class::Read) => {
                if name.schema.is_none() {
                    self.needs.built_ins.insert(name.name);
                }
            }
            Some(class) => self.raise(of_class(class, &name)),
            None => {
                self.only_built_in = false;
                self.needs.unknown_functions.insert(name);
            }
        }
    }

    /// Whether a call of this name may be the server's own function; then it is that, unless the catalog knows another one.
    pub(super) fn may_be_built_in(&mut self, name: &Name) -> bool {
        let built_in = matches!(name.schema.as_deref(), None | Some("pg_catalog"));
        if built_in && name.schema.is_none() {
            self.shorthand(&name.name);
        }
        built_in
    }

    /// The tokens' view of a call: what the tree may hide is raised, what it names is left to it.
    pub(crate) fn suspect_call(&mut self, name: &Name) {
        let listed = self.settings.denies(name.schema.as_deref(), &name.name);
        if listed {
            let ruling = Ruling::primary(format!("function {name}"));
            self.firm.raise(ruling.clone());
            self.raise(ruling);
            return;
        }
        match functions::class(self.dialect, &name.name) {
            None | Some(Class::Read) => {}
            Some(Class::Session | Class::Primary)
                if self.settings.allows(name.schema.as_deref(), &name.name) => {}
            Some(class) => self.raise(of_class(class, name)),
        }
    }

    /// A name where a relation stands.
    pub(super) fn relation(&mut self, name: Name) {
        self.reads_relations = true;
        let defined = name.schema.is_none() && self.defined.contains(&name.name);
        if defined {
            // Its own body, and what stands before it, reads what else has the name.
            if let Some(ruling) = relations::ruling_on(self.dialect, &name, &mut Needs::default()) {
                self.raise(ruling);
            }
            self.needs.perhaps_relations.insert(name);
        } else if let Some(ruling) = relations::ruling_on(self.dialect, &name, &mut self.needs) {
            self.raise(ruling);
        }
    }

    /// A name where a type stands.
    pub(super) fn data_type(&mut self, name: Name) {
        if self.dialect == Dialect::Postgres && !types::built_in(&name) {
            self.needs.types.insert(name);
        }
    }

    /// A word of the grammar that stands for a call, or looks like one: a function of the user's may have its name.
    pub(crate) fn shorthand(&mut self, word: &str) {
        if self.dialect == Dialect::Postgres && !self.needs.built_ins.contains(word) {
            self.needs.built_ins.insert(word.to_owned());
        }
    }
}

fn of_class(class: Class, name: &Name) -> Ruling {
    let part = format!("function {name}");
    match class {
        Class::Read => Ruling::READ,
        Class::Session => Ruling::session(part),
        Class::Primary => Ruling::primary(part),
        Class::Write => Ruling::write(part),
    }
}
