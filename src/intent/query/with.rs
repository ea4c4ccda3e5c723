//! How a query begins: its operands, its common table expressions, and what writes in the place of one.

use super::group::{Clause, Column, Content, Role};
use super::walk::Walk;
use super::words;
use crate::intent::dialect::Dialect;
use crate::intent::judged::Ruling;
use crate::intent::lexer::TokenKind;

impl Walk<'_, '_, '_> {
    pub(super) fn start(&mut self, of_tables: bool) -> Option<()> {
        let to = match self
            .statement
            .word(self.at)
            .map(str::to_ascii_uppercase)
            .as_deref()
        {
            Some("SELECT") if self.kind(1).is_some() => Clause::List,
            Some("VALUES") => Clause::Tail,
            Some("TABLE") => Clause::Table,
            Some("WITH") => Clause::With { first: true },
            Some("INSERT") => return self.insert(),
            Some("UPDATE") => {
                self.reader.raise(Ruling::write("keyword UPDATE"));
                Clause::Table
            }
            Some("DELETE") if self.is(1, &["FROM"]) => {
                self.reader.raise(Ruling::write("keyword DELETE"));
                self.at += 1;
                Clause::Table
            }
            Some("MERGE") if self.is(1, &["INTO"]) => {
                self.reader.raise(Ruling::write("keyword MERGE"));
                self.at += 1;
                Clause::Table
            }
            // What INSERT writes.
            Some("DEFAULT") if self.is(1, &["VALUES"]) => {
                self.at += 1;
                Clause::Tail
            }
            _ if of_tables => {
                self.turn_to(Clause::Table);
                return Some(());
            }
            _ => return None,
        };
        self.turn_to(to);
        self.expects(true)
    }

    fn insert(&mut self) -> Option<()> {
        self.reader.raise(Ruling::write("keyword INSERT"));
        self.expects(self.is(1, &["INTO"]))?;
        self.at += 1;
        let (name, end) = self.name()?;
        self.reader.relation(name);
        self.at = end;
        if self.is(0, &["AS"]) {
            self.at += 1;
            self.expects(matches!(
                self.kind(0),
                Some(TokenKind::Word | TokenKind::Quoted)
            ))?;
        }
        if self.kind(0) == Some(TokenKind::Open) && !self.begins_query(1) {
            self.at += 1;
            self.push(Content::Columns(Column::Name));
        }
        Some(())
    }

    pub(super) fn with(&mut self, first: bool) -> Option<()> {
        if self.is(0, &["RECURSIVE"]) && !self.names_expression() {
            self.group()?.recursive = true;
            return self.expects(true);
        }
        if !self.names_expression() {
            // The columns by which the one before is searched.
            self.turn_to(Clause::Bodied);
            return self.expects(!first && self.reader.dialect == Dialect::Postgres);
        }
        // Its own query still reads what is called so outside. SQLite needs no word to let it see itself.
        let at = self.at;
        let group = self.group()?;
        group.named = Some(at);
        if group.recursive || self.reader.dialect == Dialect::Sqlite {
            self.define();
        }
        self.turn_to(Clause::Named);
        self.expects(true)
    }

    /// From here on the name of the common table expression holds.
    pub(super) fn define(&mut self) {
        let named = self.group().and_then(|group| group.named.take());
        let name = named.and_then(|at| self.statement.folded(at));
        self.reader.defined.extend(name);
    }

    fn names_expression(&self) -> bool {
        self.is(1, &["AS"]) || self.kind(1) == Some(TokenKind::Open)
    }

    pub(super) fn named(&mut self) -> Option<()> {
        let expected = self.is(0, &["AS"]);
        self.turn_to(Clause::Body);
        self.expects(expected)
    }

    pub(super) fn body(&mut self) -> Option<()> {
        self.expects(self.is(0, &["NOT", "MATERIALIZED"]))
    }

    pub(super) fn bodied(&mut self) -> Option<()> {
        if self.is(0, &words::QUERIES) || self.is(0, &words::WRITES) {
            self.turn_to(Clause::Start);
            return Some(());
        }
        self.expects(self.reader.dialect == Dialect::Postgres)
    }

    /// The word behind a query in parentheses.
    pub(super) fn operand(&mut self, of_tables: bool) -> Option<()> {
        if self.is(0, &words::SETS) {
            return self.set_operation();
        }
        if self.ends_tables() {
            self.turn_to(Clause::Tail);
            return self.expects(true);
        }
        if of_tables {
            self.turn_to(Clause::Joined { aliased: false });
            return Some(());
        }
        None
    }

    pub(super) fn set_operation(&mut self) -> Option<()> {
        self.turn_to(Clause::Start);
        self.at += 1;
        if self.is(0, &["ALL", "DISTINCT"]) {
            self.at += 1;
        }
        Some(())
    }

    /// A word in a list of columns.
    pub(super) fn column(&mut self, column: Column) -> Option<()> {
        match column {
            Column::Name => {
                self.set(Content::Columns(Column::Type));
                self.expects(true)
            }
            Column::Type => {
                self.set(Content::Columns(Column::Rest));
                self.type_name()
            }
            Column::Rest => self.expects(true),
        }
    }

    /// A type's name, with its length.
    pub(super) fn type_name(&mut self) -> Option<()> {
        let (name, end) = self.name()?;
        self.reader.data_type(name);
        self.at = end;
        if self.kind(0) == Some(TokenKind::Open) {
            self.at += 1;
            self.push(Content::Expression(Role::Plain));
        }
        Some(())
    }
}
