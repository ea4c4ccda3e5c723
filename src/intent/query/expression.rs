//! A name or a word of the grammar where expressions stand.

use super::group::{Clause, Column, Content, Role};
use super::walk::Walk;
use super::words;
use crate::intent::dialect::Dialect;
use crate::intent::judged::Name;
use crate::intent::lexer::TokenKind;
use crate::intent::local;

impl Walk<'_, '_, '_> {
    /// A word of a query's clause, outside of parentheses.
    pub(super) fn clause_word(&mut self, clause: Clause) -> Option<()> {
        if self.is(0, &["FROM"]) && !self.compares() {
            self.turn_to(Clause::Table);
            return self.expects(clause == Clause::List);
        }
        if self.is(0, &words::SETS) {
            return self.set_operation();
        }
        if self.is(0, &["AS"]) {
            // A name for a value, whatever word it is; or a window's definition.
            self.at += if self.kind(1) == Some(TokenKind::Open) {
                1
            } else {
                2
            };
            return Some(());
        }
        if self.is(0, &["JOIN"]) && !self.calls_join() {
            self.turn_to(Clause::Table);
            return self.expects(clause == Clause::On);
        }
        let straight = self.reader.dialect == Dialect::MySql && self.is(0, &["STRAIGHT_JOIN"]);
        if straight && clause != Clause::List {
            self.turn_to(Clause::Table);
            return self.expects(clause == Clause::On);
        }
        if clause == Clause::On && self.ends_tables() {
            self.turn_to(Clause::Tail);
            return self.expects(true);
        }
        self.expression_word()
    }

    /// A word in an expression's parentheses.
    pub(super) fn part_word(&mut self, role: Role) -> Option<()> {
        if self.is(0, &["FROM"]) {
            return self.expects(role == Role::From || self.compares());
        }
        if self.is(0, &words::SETS) {
            // The parentheses held a query's first operand.
            self.set(Content::Query {
                clause: Clause::Start,
                of_tables: false,
            });
            return self.set_operation();
        }
        if self.is(0, &["AS"]) {
            self.at += 1;
            return match (self.kind(0)?, role) {
                (TokenKind::Open, _) => {
                    self.at += 1;
                    self.push(Content::Columns(Column::Name));
                    Some(())
                }
                (kind, Role::Labels) => self.expects(is_label(kind)),
                (_, Role::Plain | Role::From | Role::Brackets) => self.type_name(),
            };
        }
        if self.is(0, &["RETURNING"]) && self.reader.dialect == Dialect::Postgres {
            self.at += 1;
            return self.type_name();
        }
        self.expression_word()
    }

    /// `IS DISTINCT FROM` compares; no clause begins there.
    fn compares(&self) -> bool {
        let is = |back: usize, word: &str| {
            self.at >= back && self.statement.is_word(self.at - back, word)
        };
        is(1, "DISTINCT") && (is(2, "IS") || (is(2, "NOT") && is(3, "IS")))
    }

    fn expression_word(&mut self) -> Option<()> {
        let word = self.statement.word(self.at);
        if self.is(0, &["SELECT"]) {
            return None;
        }
        // SQLite's IN takes a relation's name.
        if self.reader.dialect == Dialect::Sqlite
            && self.is(0, &["IN"])
            && self.kind(1) != Some(TokenKind::Open)
        {
            return None;
        }
        if self.is(0, &["AT"]) {
            self.reader.shorthand("timezone");
        }
        let (name, end) = self.name()?;
        let single = end == self.at + 1;
        self.at = end;
        match self.kind(0) {
            Some(TokenKind::Open) => self.called(name, word.filter(|_| single)),
            Some(TokenKind::Text) => self.before_text(name, word.filter(|_| single)),
            _ => {}
        }
        Some(())
    }

    /// A name before a parenthesis: a call, unless it is a word of the grammar.
    fn called(&mut self, name: Name, word: Option<&str>) {
        let listed = word.is_some_and(|word| match self.reader.dialect {
            Dialect::Postgres => words::is_any(word, &words::POSTGRES_GRAMMAR),
            Dialect::MySql => {
                words::is_any(word, &words::GRAMMAR) || words::is_any(word, &words::MYSQL_GRAMMAR)
            }
            Dialect::Sqlite => words::is_any(word, &words::GRAMMAR),
        });
        if listed {
            return;
        }
        let postgres = self.reader.dialect == Dialect::Postgres;
        let is_type = |word| postgres && words::is_any(word, &words::TYPES);
        let is_operator = |word| {
            let behind = self.at.checked_sub(2);
            words::is_any(word, &words::OPERATORS) && behind.is_some_and(|at| self.ends_value(at))
        };
        if word.is_some_and(|word| is_type(word) || is_operator(word) || self.is_infix(word)) {
            self.reader.shorthand(&name.name);
            return;
        }
        if word.is_some_and(|word| word.eq_ignore_ascii_case("trim")) {
            self.reader.shorthand("btrim");
        }
        // MySQL's own functions of these names are words of its grammar: with quotes, a function of the user's is called.
        let stored = self.reader.dialect == Dialect::MySql
            && word.is_none()
            && name.schema.is_none()
            && words::is_any(&name.name, &words::MYSQL_UNQUOTED);
        if stored {
            self.reader.needs.unknown_functions.insert(name.clone());
        }
        let local = self.at.checked_sub(1);
        if local.is_some_and(|at| local::reads(self.statement, at))
            && self.reader.may_be_built_in(&name)
        {
            return;
        }
        self.reader.call(name);
    }

    /// PostgreSQL lets a function be called so, behind what no join can follow.
    fn calls_join(&self) -> bool {
        self.reader.dialect == Dialect::Postgres
            && self.kind(1) == Some(TokenKind::Open)
            && !self.at.checked_sub(1).is_some_and(|at| self.ends_value(at))
    }

    /// Whether an operator may follow what stands there.
    fn ends_value(&self, at: usize) -> bool {
        let is_not = |at: usize| self.statement.is_word(at, "NOT");
        match self.statement.kind(at) {
            Some(TokenKind::Word) if is_not(at) => {
                // `a NOT LIKE (b)`
                at.checked_sub(1)
                    .is_some_and(|at| !is_not(at) && self.ends_value(at))
            }
            Some(TokenKind::Word) => self.statement.word(at).is_some_and(|word| {
                !words::is_any(word, &words::POSTGRES_GRAMMAR)
                    && !words::is_any(word, &words::BEFORE_VALUE)
            }),
            Some(TokenKind::Symbol) => self
                .statement
                .tokens
                .get(at)
                .is_some_and(|token| token.text(self.statement.sql) == "]"),
            // `ON (a)` of a join is no value either: what looks like an operator behind it costs a read.
            Some(TokenKind::Close) => !self.is_prefix(),
            Some(TokenKind::Quoted | TokenKind::Text | TokenKind::Number) => true,
            _ => false,
        }
    }

    /// Words that are no names where they stand behind others, and may be names elsewhere.
    fn is_infix(&self, word: &str) -> bool {
        let before = self.at.checked_sub(2);
        // `PASSING a AS b COLUMNS (…)`
        if word.eq_ignore_ascii_case("COLUMNS")
            && self.at >= 3
            && self.statement.is_word(self.at - 3, "AS")
        {
            return true;
        }
        let listed: &[&str] = match before.and_then(|at| self.statement.kind(at)) {
            Some(TokenKind::Close) if self.is_prefix() => return self.is_operator(word),
            Some(TokenKind::Close) => &["OVER", "FILTER", "AGAINST", "ESCAPE", "OFFSET"],
            Some(TokenKind::Number) => &["OFFSET"],
            Some(TokenKind::Symbol) => {
                let any = words::is_any(word, &["ANY", "SOME"]) && self.begins_query(1);
                return any || self.is_operator(word);
            }
            Some(TokenKind::Text) => &["COLUMNS", "PASSING", "ESCAPE", "SECOND"],
            Some(TokenKind::Word) => {
                let before = before.and_then(|at| self.statement.word(at));
                let follows = |(first, second): &(&str, &str)| {
                    word.eq_ignore_ascii_case(second)
                        && (!second.eq_ignore_ascii_case("SECOND") || self.is_interval())
                        && before.is_some_and(|before| before.eq_ignore_ascii_case(first))
                };
                // Behind ON, a join may call what is called so.
                let conflict = self.reader.writes() && follows(&("ON", "CONFLICT"));
                return conflict || words::PAIRS.iter().any(follows) || self.is_operator(word);
            }
            _ => return self.is_operator(word),
        };
        words::is_any(word, listed) || self.is_operator(word)
    }

    /// Whether an expression may begin behind the parentheses that closed last: `DISTINCT ON (a)`, `1 OPERATOR(s.+)`.
    fn is_prefix(&self) -> bool {
        let before = self
            .closed
            .checked_sub(1)
            .and_then(|at| self.statement.word(at));
        before.is_some_and(|word| words::is_any(word, &["ON", "OPERATOR"]))
    }

    /// `DAY TO SECOND (3)`, and not `SIMILAR TO second(3)`.
    fn is_interval(&self) -> bool {
        let before = self
            .at
            .checked_sub(3)
            .and_then(|at| self.statement.word(at));
        before.is_some_and(|word| words::is_any(word, &["DAY", "HOUR", "MINUTE"]))
    }

    /// `OPERATOR(schema.+)`.
    fn is_operator(&self, word: &str) -> bool {
        let symbol = |ahead: usize| self.kind(ahead) == Some(TokenKind::Symbol);
        word.eq_ignore_ascii_case("OPERATOR")
            && (symbol(1) || (self.kind(2) == Some(TokenKind::Dot) && symbol(3)))
    }

    /// `date '2000-01-01'` names a type.
    fn before_text(&mut self, name: Name, word: Option<&str>) {
        let tokens = self.statement.tokens;
        let adjacent = tokens
            .get(self.at - 1)
            .zip(tokens.get(self.at))
            .is_some_and(|(one, two)| one.end == two.start);
        let no_type = word.is_some_and(|word| {
            words::is_any(word, &words::BEFORE_TEXT)
                || (adjacent && words::is_any(word, &["b", "x", "n"]))
        });
        if !no_type {
            self.reader.data_type(name);
        }
    }
}

/// What may stand as a name behind AS.
fn is_label(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Word | TokenKind::Quoted | TokenKind::Text)
}
