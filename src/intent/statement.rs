//! Judges one statement by its first keyword, and hands what must be read further to the part that reads it.
//!
//! A statement that no part understands needs the primary: nothing here ends in a read by default.

use super::dialect::Dialect;
use super::judged::{Judged, Needs, Ruling, TextKind};
use super::keyword::{self, First};
use super::lexer::{self, Token};
use super::parse::{self, Purpose};
use super::settings::Settings;
use super::{explain, pragma, relations, show, utility};

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

/// Judges one statement.
pub(crate) fn judge(statement: &Statement<'_>) -> Judged {
    let Some(word) = statement.word(0) else {
        return match statement.kind(0) {
            Some(lexer::TokenKind::Open) => parse::query(statement, statement.text(), Purpose::Run),
            _ => unparsed(),
        };
    };
    match keyword::first_of(statement.dialect, word) {
        First::Decided(judged) => *judged,
        First::Unknown => unparsed(),
        First::Open => open(statement, &word.to_ascii_uppercase()),
    }
}

fn open(statement: &Statement<'_>, word: &str) -> Judged {
    match (word, statement.dialect) {
        ("SELECT" | "WITH" | "VALUES", _) => {
            parse::query(statement, statement.text(), Purpose::Run)
        }
        ("TABLE", _) => table(statement),
        ("EXPLAIN", Dialect::Postgres) => explain::postgres(statement),
        ("EXPLAIN" | "DESCRIBE" | "DESC", Dialect::MySql) => explain::mysql(statement),
        ("EXPLAIN", Dialect::Sqlite) => explain::sqlite(statement),
        ("ANALYZE", Dialect::MySql) => explain::mysql_analyze(statement),
        ("SHOW", Dialect::MySql) => show::mysql(statement),
        ("HELP", Dialect::MySql) => Judged::of(Ruling::READ, TextKind::Other),
        ("PRAGMA", Dialect::Sqlite) => pragma::judge(statement),
        ("COPY", Dialect::Postgres) => utility::copy(statement),
        ("SET", Dialect::MySql) => utility::mysql_set(statement),
        ("SET", _) => Judged::of(Ruling::session(keyword::named("SET")), TextKind::Other),
        // Two-phase commit writes; all else that begins so belongs to one connection.
        ("PREPARE" | "COMMIT" | "ROLLBACK", _) => utility::transaction_end(statement, word),
        _ => unparsed(),
    }
}

/// `TABLE t …` is `SELECT * FROM t …`; sqlparser knows only the long form.
fn table(statement: &Statement<'_>) -> Judged {
    let rest = statement.from(1);
    let text = format!("SELECT * FROM {}", rest.text());
    parse::query(&rest, &text, Purpose::Run)
}

pub(crate) fn unparsed() -> Judged {
    Judged::of(Ruling::unparsed("the statement"), TextKind::Other)
}

/// A read of one relation that stands at `at`, perhaps with a schema; returns where the name ends.
pub(crate) fn relation_at(statement: &Statement<'_>, at: usize) -> Option<(Judged, usize)> {
    let mut parts = Vec::new();
    let mut at = at;
    loop {
        let token = statement.tokens.get(at)?;
        parts.push(match token.kind {
            lexer::TokenKind::Word => statement.dialect.fold(token.text(statement.sql), false),
            lexer::TokenKind::Quoted => unquoted(statement, token),
            _ => return None,
        });
        at += 1;
        if statement.kind(at) != Some(lexer::TokenKind::Dot) {
            break;
        }
        at += 1;
    }
    let name = relations::name(parts)?;
    let mut judged = Judged::of(Ruling::READ, TextKind::Other);
    let mut needs = Needs::default();
    if let Some(ruling) = relations::ruling_on(statement.dialect, &name, &mut needs) {
        judged.ruling = ruling;
    }
    judged.needs = needs;
    Some((judged, at))
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
