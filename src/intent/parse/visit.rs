//! What each node of the tree adds to the judgement of a query.
//!
//! Expressions and table expressions are listed one by one: a node that is not listed is not understood, so that a new
//! version of the parser cannot bring one in unseen.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, ObjectName, Query, Select, Statement as Parsed, TableFactor, Visitor,
};

use super::Reader;
use crate::intent::judged::{Name, Ruling};

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

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
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
            expr if adds_nothing(expr) => {}
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

/// An expression that is what its parts are, which are visited by themselves.
fn adds_nothing(expr: &Expr) -> bool {
    matches!(
        expr,
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
            | Expr::MemberOf(_)
    )
}
