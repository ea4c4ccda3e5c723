//! One pass over a query's tokens with a stack of its open parentheses: no recursion, so that no text is too deep.

use super::group::{Clause, Column, Content, Parentheses, Role};
use super::words::{self, is_any};
use crate::intent::judged::Name;
use crate::intent::lexer::TokenKind;
use crate::intent::reader::Reader;
use crate::intent::statement::Statement;

/// Reads all of a query; `None` where something is not understood.
pub(super) fn walk(statement: &Statement<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut walk = Walk {
        statement,
        reader,
        at: 0,
        groups: Vec::with_capacity(8),
        closed: 0,
    };
    walk.push(Content::Query {
        clause: Clause::Start,
        of_tables: false,
    });
    while walk.at < statement.tokens.len() {
        walk.step()?;
    }
    match walk.groups.as_slice() {
        [
            Parentheses {
                content: Content::Query { clause, .. },
                ..
            },
        ] if clause.is_complete() => Some(()),
        _ => None,
    }
}

/// The walk: where it is, and in which parentheses.
pub(super) struct Walk<'w, 's, 'r> {
    pub(super) statement: &'w Statement<'s>,
    pub(super) reader: &'w mut Reader<'r>,
    pub(super) at: usize,
    groups: Vec<Parentheses>,
    /// The place where the parentheses open that were closed last.
    pub(super) closed: usize,
}

impl<'s> Walk<'_, 's, '_> {
    fn step(&mut self) -> Option<()> {
        match self.kind(0)? {
            TokenKind::Open => self.open(),
            TokenKind::Close => self.close(),
            TokenKind::Comma => self.comma(),
            TokenKind::Word | TokenKind::Quoted => self.word(),
            TokenKind::Text | TokenKind::Number | TokenKind::Variable => self.value(),
            TokenKind::Dot => self.dot(),
            TokenKind::Symbol => self.symbol(),
            TokenKind::Semicolon | TokenKind::Comment | TokenKind::Executable => None,
        }
    }

    fn word(&mut self) -> Option<()> {
        match self.content()? {
            Content::Query { clause, of_tables } => match clause {
                Clause::Start => self.start(of_tables),
                Clause::With { first } => self.with(first),
                Clause::Named => self.named(),
                Clause::Body => self.body(),
                Clause::Bodied => self.bodied(),
                Clause::Table => self.table(),
                Clause::Joined { aliased } => self.joined(aliased),
                Clause::Operand => self.operand(of_tables),
                Clause::List | Clause::On | Clause::Tail => self.clause_word(clause),
            },
            Content::Expression(role) => self.part_word(role),
            Content::Columns(column) => self.column(column),
        }
    }

    fn open(&mut self) -> Option<()> {
        let query = |of_tables| Content::Query {
            clause: Clause::Start,
            of_tables,
        };
        let content = match self.content()? {
            Content::Query { clause, of_tables } => match clause {
                Clause::Start => query(of_tables),
                Clause::Table => query(true),
                Clause::Body | Clause::Bodied => query(false),
                Clause::Named => Content::Columns(Column::Name),
                Clause::List | Clause::On | Clause::Tail => self.in_parentheses(),
                Clause::With { .. } | Clause::Joined { .. } | Clause::Operand => return None,
            },
            Content::Expression(_) => self.in_parentheses(),
            Content::Columns(Column::Rest) => Content::Expression(Role::Plain),
            Content::Columns(_) => return None,
        };
        self.at += 1;
        self.push(content);
        Some(())
    }

    /// What a parenthesis in an expression holds.
    fn in_parentheses(&self) -> Content {
        if self.begins_query(1) {
            return Content::Query {
                clause: Clause::Start,
                of_tables: false,
            };
        }
        let before = self.at.checked_sub(1);
        let word = before.and_then(|at| self.statement.word(at));
        Content::Expression(word.map_or(Role::Plain, words::role_of))
    }

    fn close(&mut self) -> Option<()> {
        let ended = self.groups.pop()?;
        self.reader.defined.truncate(ended.defined);
        self.closed = ended.open;
        let was_query = match ended.content {
            Content::Query { clause, .. } if !clause.is_complete() => return None,
            Content::Expression(Role::Brackets) => return None,
            Content::Query { .. } => true,
            Content::Expression(_) | Content::Columns(_) => false,
        };
        let content = self.content()?;
        if was_query && let Content::Query { clause, .. } = content {
            match clause {
                Clause::Start | Clause::Bodied => self.turn_to(Clause::Operand),
                Clause::Table => self.turn_to(Clause::Joined { aliased: false }),
                Clause::Body => {
                    self.define();
                    self.turn_to(Clause::Bodied);
                }
                _ => {}
            }
        }
        self.expects(true)
    }

    fn comma(&mut self) -> Option<()> {
        match self.content()? {
            Content::Query { clause, of_tables } => match clause {
                Clause::List | Clause::Tail => {}
                Clause::On | Clause::Joined { .. } => self.turn_to(Clause::Table),
                Clause::Operand if of_tables => self.turn_to(Clause::Table),
                Clause::Bodied => self.turn_to(Clause::With { first: false }),
                _ => return None,
            },
            Content::Expression(_) => {}
            Content::Columns(_) => self.set(Content::Columns(Column::Name)),
        }
        self.expects(true)
    }

    /// One step on, if what stands here may.
    pub(super) fn expects(&mut self, expected: bool) -> Option<()> {
        self.at += 1;
        expected.then_some(())
    }

    pub(super) fn kind(&self, ahead: usize) -> Option<TokenKind> {
        self.statement.kind(self.at + ahead)
    }

    pub(super) fn is(&self, ahead: usize, words: &[&str]) -> bool {
        let word = self.statement.word(self.at + ahead);
        word.is_some_and(|word| is_any(word, words))
    }

    /// Whether a query begins so far ahead. What writes is also the name of a function somewhere.
    pub(super) fn begins_query(&self, ahead: usize) -> bool {
        let named = matches!(
            self.kind(ahead + 1),
            None | Some(TokenKind::Open | TokenKind::Close | TokenKind::Dot | TokenKind::Comma)
        );
        self.is(ahead, &words::QUERIES) || (self.is(ahead, &words::WRITES) && !named)
    }

    /// The name that begins here, and the place behind it.
    pub(super) fn name(&self) -> Option<(Name, usize)> {
        self.statement.name(self.at)
    }

    pub(super) fn content(&self) -> Option<Content> {
        self.groups.last().map(|group| group.content)
    }

    pub(super) fn in_expression(&self) -> bool {
        match self.content() {
            Some(Content::Query { clause, .. }) => clause.is_expression(),
            Some(Content::Expression(_)) => true,
            Some(Content::Columns(_)) | None => false,
        }
    }

    pub(super) fn push(&mut self, content: Content) {
        let defined = self.reader.defined.len();
        self.groups.push(Parentheses {
            content,
            open: self.at.saturating_sub(1),
            defined,
            recursive: false,
            named: None,
        });
    }

    pub(super) fn group(&mut self) -> Option<&mut Parentheses> {
        self.groups.last_mut()
    }

    pub(super) fn pop(&mut self) {
        self.groups.pop();
    }

    pub(super) fn set(&mut self, to: Content) {
        if let Some(group) = self.groups.last_mut() {
            group.content = to;
        }
    }

    pub(super) fn turn_to(&mut self, to: Clause) {
        if let Some(Parentheses {
            content: Content::Query { clause, .. },
            ..
        }) = self.groups.last_mut()
        {
            *clause = to;
        }
    }
}
