//! Judges a query by sqlparser's tree, walked by its visitor (I1).
//!
//! The visitor is the library's own, never a recursion written here: its depth is protected, and a place in the tree
//! that this file forgets is still visited. What the tree holds and this file does not know is not understood.

use std::ops::ControlFlow;

use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArguments, Ident,
    ObjectName, ObjectNamePart, Query, Statement as Parsed, TableAlias, TableFactor, Visit,
    Visitor,
};
use sqlparser::parser::Parser;

use super::dialect::Dialect;
use super::functions::{self, Class};
use super::judged::{Judged, Kind, Name, Needs, Ruling, Traits};
use super::settings::Settings;
use super::statement::Statement;
use super::{relations, scan, types};
use crate::words::Reason;

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
        .and_then(|mut parser| parser.parse_statements());
    match parsed.as_deref() {
        Ok([tree]) => {
            let _: ControlFlow<()> = tree.visit(&mut reader);
        }
        Ok(_) | Err(_) => reader.raise(Ruling::unparsed("the query")),
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
                kind: Kind::Plain,
                functions_built_in: self.only_built_in,
                may_act_outside: false,
                ddl: self.creates,
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
        } else if let Some(ruling) = relations::judge(self.dialect, &name, &mut self.needs) {
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

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Parsed) -> ControlFlow<()> {
        let ruling = match statement {
            Parsed::Query(_) => None,
            Parsed::Insert(_) => Some(Ruling::write("keyword INSERT")),
            Parsed::Update(_) => Some(Ruling::write("keyword UPDATE")),
            Parsed::Delete(_) => Some(Ruling::write("keyword DELETE")),
            Parsed::Merge(_) => Some(Ruling::write("keyword MERGE")),
            _ => Some(Ruling::unparsed("a nested statement")),
        };
        if let Some(ruling) = ruling {
            self.raise(ruling);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let defined = query
            .with
            .iter()
            .flat_map(|with| &with.cte_tables)
            .map(|cte| self.fold(&cte.alias.name))
            .collect();
        self.scopes.push(defined);
        self.locks |= !query.locks.is_empty();
        if query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            self.raise(Ruling::unparsed("a clause of the query"));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &sqlparser::ast::Select) -> ControlFlow<()> {
        if select.into.is_some() {
            self.raise(Ruling::write("SELECT INTO"));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if std::mem::take(&mut self.relation_is_call) {
            self.call(relation);
        } else {
            self.relation(relation);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { args, alias, .. } => {
                self.relation_is_call = args.is_some();
                self.alias(alias.as_ref());
            }
            TableFactor::Function { name, alias, .. } => {
                self.call(name);
                self.alias(alias.as_ref());
            }
            TableFactor::UNNEST { alias, .. } => {
                self.call_named(Name::new(None, "unnest".to_owned()));
                self.alias(alias.as_ref());
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::JsonTable { alias, .. }
            | TableFactor::XmlTable { alias, .. } => self.alias(alias.as_ref()),
            _ => self.raise(Ruling::unparsed("a table expression")),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(function),
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(idents) => {
                idents.iter().for_each(|ident| self.identifier(ident))
            }
            Expr::Cast { data_type, .. } => self.data_type(data_type),
            Expr::Convert { data_type, .. } => {
                if let Some(data_type) = data_type {
                    self.data_type(data_type);
                }
            }
            Expr::TypedString(typed) => self.data_type(&typed.data_type),
            Expr::BinaryOp {
                op: BinaryOperator::Assignment,
                ..
            } => self.raise(Ruling::session("an assignment")),
            Expr::BinaryOp { .. }
            | Expr::CompoundFieldAccess { .. }
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::InUnnest { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. }
            | Expr::UnaryOp { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. }
            | Expr::Nested(_)
            | Expr::Value(_)
            | Expr::Prefixed { .. }
            | Expr::Case { .. }
            | Expr::Exists { .. }
            | Expr::Subquery(_)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
            | Expr::Tuple(_)
            | Expr::Named { .. }
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::MemberOf(_) => {}
            _ => self.raise(Ruling::unparsed("an expression")),
        }
        self.shorthand(expr);
        ControlFlow::Continue(())
    }
}

impl Reader<'_> {
    /// Syntax that calls a function by a keyword, which a user's function of that name may shadow.
    fn shorthand(&mut self, expr: &Expr) {
        let name = match expr {
            Expr::AtTimeZone { .. } => "timezone",
            Expr::Extract { .. } => "extract",
            Expr::Ceil { .. } => "ceil",
            Expr::Floor { .. } => "floor",
            Expr::Position { .. } => "position",
            Expr::Substring { .. } => "substring",
            Expr::Trim { .. } => "btrim",
            Expr::Overlay { .. } => "overlay",
            _ => return,
        };
        self.needs.built_ins.insert(name.to_owned());
    }
}
