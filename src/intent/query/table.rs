//! Where relations stand: after FROM, between joins, and nowhere else.

use super::group::{Clause, Column, Content, Role};
use super::walk::Walk;
use super::words;
use crate::intent::dialect::Dialect;
use crate::intent::lexer::TokenKind;

impl Walk<'_, '_, '_> {
    pub(super) fn table(&mut self) -> Option<()> {
        let dialect = self.reader.dialect;
        // Older servers take LATERAL for a relation's name.
        let lateral = self.is(0, &["LATERAL"])
            && (dialect == Dialect::Postgres
                || (dialect == Dialect::MySql && self.kind(1) == Some(TokenKind::Open)));
        if lateral || (dialect == Dialect::Postgres && self.is(0, &["ONLY"])) {
            return self.expects(true);
        }
        self.turn_to(Clause::Joined { aliased: false });
        if dialect == Dialect::Postgres && self.is(0, &["ROWS"]) && self.is(1, &["FROM"]) {
            self.at += 3;
            self.push(Content::Expression(Role::Plain));
            return (self.statement.kind(self.at - 1) == Some(TokenKind::Open)).then_some(());
        }
        if self.is(0, &words::NO_RELATION) {
            return None;
        }
        let word = self.statement.word(self.at);
        let (name, end) = self.name()?;
        self.at = end;
        if self.kind(0) == Some(TokenKind::Open) {
            self.reader.call(name);
            self.at += 1;
            self.push(Content::Expression(
                word.map_or(Role::Plain, words::role_of),
            ));
        } else {
            self.reader.relation(name);
        }
        Some(())
    }

    /// A word behind a relation.
    pub(super) fn joined(&mut self, aliased: bool) -> Option<()> {
        if self.is(0, &["AS"]) {
            self.at += 1;
            return self.alias(true);
        }
        let straight = self.reader.dialect == Dialect::MySql && self.is(0, &["STRAIGHT_JOIN"]);
        if straight || self.is(0, &["JOIN"]) {
            self.turn_to(Clause::Table);
            return self.expects(true);
        }
        if self.is(0, &words::JOINS) {
            return self.expects(true);
        }
        if self.is(0, &["ON"]) {
            self.turn_to(Clause::On);
            return self.expects(true);
        }
        if self.is(0, &["USING"]) {
            return self.using();
        }
        // A server whose grammar has no such clause takes the word for an alias.
        let is_alias = self.kind(1) == Some(TokenKind::Comma) || self.is(1, &["JOIN"]);
        if self.is(0, &words::SETS) {
            return if is_alias { None } else { self.set_operation() };
        }
        if self.ends_tables() {
            self.turn_to(Clause::Tail);
            return self.expects(!is_alias);
        }
        if self.is(0, &["SET"]) && self.updates() {
            self.turn_to(Clause::List);
            return self.expects(true);
        }
        match self.hint() {
            Some(true) => Some(()),
            Some(false) => None,
            None if aliased => None,
            None => self.alias(false),
        }
    }

    /// Whether the list of relations ends here, and all that follows are expressions. A word that one of the servers takes
    /// for an alias must not end it: what follows would be relations still.
    pub(super) fn ends_tables(&self) -> bool {
        let locks = self.is(0, &["FOR"]) && self.is(1, &["UPDATE", "SHARE", "NO", "KEY"]);
        let window = self.is(0, &["WINDOW"]) && self.is(2, &["AS"]);
        let own = match self.reader.dialect {
            Dialect::Postgres => locks || self.is(0, &["OFFSET", "FETCH", "RETURNING", "INTO"]),
            Dialect::MySql => {
                let shares = self.is(0, &["LOCK"]) && self.is(1, &["IN"]);
                let fetch = self.is(0, &["FETCH"]) && self.is(1, &["FIRST", "NEXT"]);
                locks || shares || fetch || self.is(0, &["INTO"])
            }
            Dialect::Sqlite => false,
        };
        // `WITHIN GROUP (…)` ends nothing.
        let by = self.is(0, &["GROUP", "ORDER"]) && self.is(1, &["BY"]);
        own || window || by || self.is(0, &words::CLAUSES)
    }

    /// Whether only UPDATE and a relation stand before: SET is a name to PostgreSQL elsewhere.
    fn updates(&self) -> bool {
        let of_name = |at: &usize| {
            let kind = self.statement.kind(*at);
            matches!(
                kind,
                Some(TokenKind::Word | TokenKind::Quoted | TokenKind::Dot | TokenKind::Symbol)
            )
        };
        let mut before = (0..self.at).rev().take(9).take_while(of_name);
        before.any(|at| {
            let first = at.checked_sub(1).and_then(|at| self.statement.kind(at));
            self.statement.is_word(at, "UPDATE")
                && matches!(first, None | Some(TokenKind::Open | TokenKind::Close))
        })
    }

    /// The columns of a join, or the relations that a DELETE or MERGE looks at.
    fn using(&mut self) -> Option<()> {
        self.at += 1;
        if self.kind(0) == Some(TokenKind::Open) {
            self.at += 1;
            self.turn_to(Clause::Joined { aliased: false });
            self.push(Content::Columns(Column::Name));
        } else {
            self.turn_to(Clause::Table);
        }
        Some(())
    }

    fn alias(&mut self, after_as: bool) -> Option<()> {
        self.turn_to(Clause::Joined { aliased: true });
        if !(after_as && self.kind(0) == Some(TokenKind::Open)) {
            let name = matches!(self.kind(0), Some(TokenKind::Word | TokenKind::Quoted));
            let text = after_as
                && self.reader.dialect != Dialect::Postgres
                && self.kind(0) == Some(TokenKind::Text);
            self.expects(name || text)?;
        }
        if self.kind(0) == Some(TokenKind::Open) {
            self.at += 1;
            self.push(Content::Columns(Column::Name));
        }
        Some(())
    }

    /// What one server's grammar has behind a relation; `None` if it is none of it.
    fn hint(&mut self) -> Option<bool> {
        match self.reader.dialect {
            Dialect::Postgres if self.is(0, &["WITH"]) && self.is(1, &["ORDINALITY"]) => {
                self.at += 2;
                Some(true)
            }
            // Another method of sampling is a function of the user's.
            Dialect::Postgres if self.is(0, &["TABLESAMPLE"]) => {
                let known = self.is(1, &["BERNOULLI", "SYSTEM"]);
                Some(known && self.skip_to_arguments(2))
            }
            Dialect::Postgres if self.is(0, &["REPEATABLE"]) => Some(self.skip_to_arguments(1)),
            Dialect::MySql if self.is(0, &["PARTITION"]) => Some(self.skip_to_columns(1)),
            Dialect::MySql if self.is(0, &["USE", "FORCE", "IGNORE"]) => {
                let words = ["INDEX", "KEY", "FOR", "JOIN", "ORDER", "GROUP", "BY"];
                let ahead = (1..6).find(|ahead| !self.is(*ahead, &words));
                Some(ahead.is_some_and(|ahead| ahead > 1 && self.skip_to_columns(ahead)))
            }
            Dialect::Sqlite if self.is(0, &["INDEXED"]) && self.is(1, &["BY"]) => {
                self.at += 3;
                Some(true)
            }
            Dialect::Sqlite if self.is(0, &["NOT"]) && self.is(1, &["INDEXED"]) => {
                self.at += 2;
                Some(true)
            }
            _ if self.is(0, &["WITH", "NOT"]) => Some(false),
            _ => None,
        }
    }

    fn skip_to_arguments(&mut self, ahead: usize) -> bool {
        self.at += ahead + 1;
        self.push(Content::Expression(Role::Plain));
        self.statement.kind(self.at - 1) == Some(TokenKind::Open)
    }

    fn skip_to_columns(&mut self, ahead: usize) -> bool {
        self.at += ahead + 1;
        self.push(Content::Columns(Column::Name));
        self.statement.kind(self.at - 1) == Some(TokenKind::Open)
    }
}
