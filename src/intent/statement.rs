//! One statement of a text as its judges read it: its tokens, and the names and parentheses that they find among them.

use super::dialect::Dialect;
use super::judged::{Judged, Name, Needs, Ruling, TextKind};
use super::lexer::{self, Token};
use super::relations;
use super::settings::Settings;

/// One statement of a text: its tokens, comments and semicolons left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) settings: &'a Settings,
    /// The text with its comments blanked out; the tokens point into it.
    pub(crate) sql: &'a str,
    pub(crate) tokens: &'a [Token],
}

impl<'a> Statement<'a> {
    /// The tokens from `at` on, as a statement of its own.
    pub(crate) fn from(&self, at: usize) -> Self {
        self.between(at, self.tokens.len())
    }

    pub(crate) fn between(&self, from: usize, to: usize) -> Self {
        Self {
            tokens: self.tokens.get(from..to).unwrap_or_default(),
            ..*self
        }
    }

    /// The statement's text.
    pub(crate) fn text(&self) -> &'a str {
        match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => self.sql.get(first.start..last.end).unwrap_or_default(),
            _ => "",
        }
    }

    pub(crate) fn is_word(&self, at: usize, keyword: &str) -> bool {
        self.tokens
            .get(at)
            .is_some_and(|t| t.is_word(self.sql, keyword))
    }

    /// Whether the words stand one after the other from `at` on.
    pub(crate) fn are_words(&self, at: usize, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .enumerate()
            .all(|(i, keyword)| self.is_word(at + i, keyword))
    }

    pub(crate) fn kind(&self, at: usize) -> Option<lexer::TokenKind> {
        self.tokens.get(at).map(|t| t.kind)
    }

    /// The text of an unquoted word.
    pub(crate) fn word(&self, at: usize) -> Option<&'a str> {
        let token = self.tokens.get(at)?;
        (token.kind == lexer::TokenKind::Word).then(|| token.text(self.sql))
    }

    /// A name as the server compares it, without its quotes.
    pub(crate) fn folded(&self, at: usize) -> Option<String> {
        let token = self.tokens.get(at)?;
        match token.kind {
            lexer::TokenKind::Word => Some(self.dialect.fold(token.text(self.sql), false)),
            lexer::TokenKind::Quoted => match token.text(self.sql).strip_prefix(['u', 'U']) {
                // Another sign than the backslash may spell the letters.
                Some(_) if self.is_word(at + 1, "UESCAPE") => None,
                Some(text) => spelt(text.get(2..text.len().checked_sub(1)?)?),
                None => Some(unquoted(self, token)),
            },
            _ => None,
        }
    }

    /// The name that begins at `at`, perhaps with a schema, and the place behind it.
    pub(crate) fn name(&self, at: usize) -> Option<(Name, usize)> {
        let mut parts = vec![self.folded(at)?];
        let mut end = at + 1;
        while self.kind(end) == Some(lexer::TokenKind::Dot)
            && let Some(part) = self.folded(end + 1)
        {
            parts.push(part);
            end += 2;
        }
        Some((relations::name(parts)?, end))
    }

    /// The closing parenthesis of the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.kind {
                lexer::TokenKind::Open => depth += 1,
                lexer::TokenKind::Close => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// A statement that no judge understands: it needs the primary.
pub(crate) fn unparsed() -> Judged {
    Judged::of(Ruling::unparsed("the statement"), TextKind::Other)
}

/// A read of one relation that stands at `at`, perhaps with a schema; returns where the name ends.
pub(crate) fn relation_at(statement: &Statement<'_>, at: usize) -> Option<(Judged, usize)> {
    let (name, at) = statement.name(at)?;
    let mut judged = Judged::of(Ruling::READ, TextKind::Other);
    let mut needs = Needs::default();
    if let Some(ruling) = relations::ruling_on(statement.dialect, &name, &mut needs) {
        judged.ruling = ruling;
    }
    judged.needs = needs;
    Some((judged, at))
}

/// What stands within `U&"…"`: `\0061` and `\+000061` are letters.
fn spelt(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut parts = text.split('\\');
    plain.push_str(parts.next()?);
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // A doubled backslash.
            plain.push('\\');
            plain.push_str(parts.next()?);
            continue;
        }
        let (from, to) = if part.starts_with('+') {
            (1, 7)
        } else {
            (0, 4)
        };
        let letter = u32::from_str_radix(part.get(from..to)?, 16).ok()?;
        plain.push(char::from_u32(letter)?);
        plain.push_str(part.get(to..)?);
    }
    Some(plain.replace("\"\"", "\""))
}

pub(crate) fn unquoted(statement: &Statement<'_>, token: &Token) -> String {
    let text = token.text(statement.sql);
    let inner = text
        .get(1..text.len().saturating_sub(1))
        .unwrap_or_default();
    let quote = text.get(..1).unwrap_or_default();
    let plain = if quote == "[" {
        inner.to_owned()
    } else {
        inner.replace(&quote.repeat(2), quote)
    };
    statement.dialect.fold(&plain, true)
}
