//! What is neither a word nor a parenthesis: literals, parameters and operators.

use super::group::{Clause, Column, Content, Role};
use super::walk::Walk;
use crate::intent::dialect::Dialect;
use crate::intent::lexer::TokenKind;
use crate::intent::scan;

impl Walk<'_, '_, '_> {
    pub(super) fn value(&mut self) -> Option<()> {
        let bodied = matches!(
            self.content()?,
            Content::Query {
                clause: Clause::Bodied,
                ..
            }
        );
        // Some modes of a server take a text for a name.
        let called = self.kind(1) == Some(TokenKind::Open)
            || (self.kind(0) == Some(TokenKind::Text) && self.kind(1) == Some(TokenKind::Dot));
        self.expects((self.in_expression() || bodied) && !called && self.is_whole())
    }

    /// A dot that is in no name: what is behind it is a field, whatever word it is, unless the dot belongs to a number.
    pub(super) fn dot(&mut self) -> Option<()> {
        self.expects(self.in_expression())?;
        if !matches!(self.kind(0), Some(TokenKind::Word | TokenKind::Quoted)) {
            return Some(());
        }
        let tokens = self.statement.tokens;
        let token = |at: usize| tokens.get(at);
        let of_number = self
            .at
            .checked_sub(2)
            .and_then(token)
            .is_some_and(|before| {
                before.kind == TokenKind::Number
                    && !before.text(self.statement.sql).starts_with('$')
            });
        if of_number {
            // `1.e5from` is a number and a word to some servers.
            let word = self.statement.word(self.at).unwrap_or_default().as_bytes();
            let exponent = matches!(word, [b'e' | b'E', b'0'..=b'9', ..]);
            return (!exponent).then_some(());
        }
        self.statement.folded(self.at)?;
        self.at += 1;
        let called = matches!(self.kind(0), Some(TokenKind::Open | TokenKind::Text));
        (!called).then_some(())
    }

    /// Whether a number is one token to every server: to some, `1from` is a number and a word.
    fn is_whole(&self) -> bool {
        let Some(token) = self.statement.tokens.get(self.at) else {
            return false;
        };
        let text = token.text(self.statement.sql).as_bytes();
        let digits = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || *b == b'_');
        match (token.kind, text) {
            (TokenKind::Number, [b'$' | b':' | b'@', ..])
                if self.reader.dialect == Dialect::Sqlite =>
            {
                true
            }
            (TokenKind::Number, [b'$', number @ ..]) => digits(number),
            (TokenKind::Number, [b'0', b'x' | b'X', number @ ..]) => {
                number.iter().all(|b| b.is_ascii_hexdigit() || *b == b'_')
            }
            (TokenKind::Number, [b'0', b'b' | b'B' | b'o' | b'O', number @ ..]) => digits(number),
            (TokenKind::Number, text) => {
                let mut parts = text.splitn(2, |b| matches!(b, b'e' | b'E'));
                parts.all(digits)
            }
            _ => true,
        }
    }

    pub(super) fn symbol(&mut self) -> Option<()> {
        let text = self.statement.tokens.get(self.at)?.text(self.statement.sql);
        let known = scan::is_operator(text) || matches!(text, "[" | "]");
        match self.content()? {
            Content::Expression(Role::Brackets) if text == "]" => {
                self.pop();
                self.expects(true)
            }
            Content::Columns(Column::Rest) => self.expects(matches!(text, "[" | "]")),
            Content::Columns(_) => None,
            Content::Query {
                clause: Clause::Joined { aliased: false },
                ..
            } => self.expects(text == "*"),
            _ if !self.in_expression() || !known => None,
            _ if text == "[" => {
                self.push(Content::Expression(Role::Brackets));
                self.expects(self.reader.dialect == Dialect::Postgres)
            }
            _ if text == "]" => None,
            _ if text == ":" && self.is_cast() => {
                self.at += 2;
                self.type_name()
            }
            _ => self.expects(true),
        }
    }

    fn is_cast(&self) -> bool {
        let tokens = self.statement.tokens;
        let pair = tokens.get(self.at).zip(tokens.get(self.at + 1));
        self.reader.dialect == Dialect::Postgres
            && pair.is_some_and(|(one, two)| {
                one.end == two.start && two.text(self.statement.sql) == ":"
            })
    }
}
