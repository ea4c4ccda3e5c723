//! Judges a query by sqlparser's tree, walked by its visitor (I1).
//!
//! The visitor is the library's own, never a recursion written here: its depth is protected, and a place in the tree
//! that these files forget is still visited. What the tree holds and they do not know is not understood.

mod visit;

use std::ops::ControlFlow;

use sqlparser::ast::{
    ArrayElemTypeDef, DataType, Function, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    TableAlias, Visit,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::dialect::Dialect;
use super::functions::{self, Class};
use super::judged::{Judged, Name, Needs, Ruling, TextKind, Traits};
use super::settings::Settings;
use super::statement::Statement;
use super::{relations, scan, types};
use crate::vocabulary::Reason;

/// SeaORM nests conditions in parentheses, and a level costs the parser several of these.
const RECURSION: usize = 300;

/// Whether the server runs the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Run,
    /// Only a plan is made: nothing is written, but functions that are not volatile may be called.
    Plan,
}

/// Judges `text`, which is the statement's own or the same in another notation.
pub(crate) fn query(statement: &Statement<'_>, text: &str, purpose: Purpose) -> Judged {
    let mut reader = Reader::new(statement.dialect, statement.settings, purpose);
    let scan = scan::scan(statement, &mut reader);
    let parsed = Parser::new(statement.dialect.grammar())
        .with_recursion_limit(RECURSION)
        .try_with_sql(text)
        // Its way in for whole statements would link what it knows of schema changes, which are not read here.
        .and_then(|mut parser| {
            let query = parser.parse_query()?;
            parser.expect_token(&Token::EOF).map(|_| query)
        });
    match parsed {
        Ok(tree) => {
            let _: ControlFlow<()> = tree.visit(&mut reader);
        }
        Err(_) => reader.raise(Ruling::unparsed("the query")),
    }
    reader.judged(scan.locks)
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
    locks: bool,
    reads_relations: bool,
    only_built_in: bool,
    /// SELECT INTO makes a table.
    pub(crate) creates: bool,
    /// The next relation that is visited is a function's name.
    relation_is_call: bool,
    /// The names that common table expressions define, query by query outwards.
    scopes: Vec<Vec<String>>,
}

impl<'a> Reader<'a> {
    fn new(dialect: Dialect, settings: &'a Settings, purpose: Purpose) -> Self {
        Self {
            dialect,
            settings,
            needs: Needs::default(),
            purpose,
            ruling: Ruling::READ,
            firm: Ruling::READ,
            locks: false,
            reads_relations: false,
            only_built_in: true,
            creates: false,
            relation_is_call: false,
            scopes: Vec::new(),
        }
    }

    pub(crate) fn raise(&mut self, ruling: Ruling) {
        if ruling.reason == Reason::Unparsed {
            self.firm.raise(ruling.clone());
        }
        self.ruling.raise(ruling);
    }

    fn judged(mut self, lock_words: bool) -> Judged {
        if (self.locks || lock_words)
            && (self.reads_relations || self.ruling.reason == Reason::Unparsed)
        {
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

    fn fold(&self, ident: &Ident) -> String {
        self.dialect.fold(&ident.value, ident.quote_style.is_some())
    }

    /// The parts of a name, folded; `None` if a part is not a name.
    fn parts(&self, name: &ObjectName) -> Option<Vec<String>> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Some(self.fold(ident)),
                ObjectNamePart::Function(_) => None,
            })
            .collect()
    }

    fn call(&mut self, name: &ObjectName) {
        match self.parts(name).and_then(relations::name) {
            Some(name) => self.call_named(name),
            None => self.raise(Ruling::unparsed("the name of a function")),
        }
    }

    fn call_named(&mut self, name: Name) {
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

    fn relation(&mut self, name: &ObjectName) {
        let Some(name) = self.parts(name).and_then(relations::name) else {
            self.raise(Ruling::unparsed("the name of a relation"));
            return;
        };
        self.reads_relations = true;
        let defined = name.schema.is_none()
            && self
                .scopes
                .iter()
                .flatten()
                .any(|defined| *defined == name.name);
        if defined {
            self.needs.perhaps_relations.insert(name);
        } else if let Some(ruling) = relations::ruling_on(self.dialect, &name, &mut self.needs) {
            self.raise(ruling);
        }
    }

    fn data_type(&mut self, data_type: &DataType) {
        let mut inner = data_type;
        while let DataType::Array(
            ArrayElemTypeDef::SquareBracket(element, _)
            | ArrayElemTypeDef::AngleBracket(element)
            | ArrayElemTypeDef::Parenthesis(element),
        ) = inner
        {
            inner = element;
        }
        if self.dialect != Dialect::Postgres {
            return;
        }
        if let DataType::Custom(name, _) = inner {
            match self.parts(name).and_then(relations::name) {
                Some(name) if types::built_in(&name) => {}
                Some(name) => {
                    self.needs.types.insert(name);
                }
                None => self.raise(Ruling::unparsed("the name of a type")),
            }
        }
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        for column in alias.into_iter().flat_map(|alias| &alias.columns) {
            if let Some(data_type) = &column.data_type {
                self.data_type(data_type);
            }
        }
    }

    fn function(&mut self, function: &Function) {
        if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
            self.raise(Ruling::unparsed("a call"));
        }
        self.call(&function.name);
    }

    fn identifier(&mut self, ident: &Ident) {
        if ident.quote_style.is_none()
            && ident.value.starts_with('@')
            && self.dialect == Dialect::MySql
        {
            self.raise(Ruling::session("a variable"));
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
