//! A text as telemetry may show it: without a value.
//!
//! A text whose values are all bound holds none and is shown as it is. In every other one each literal gives way to `?`. What
//! the lexer may read in another way than the server is not shown at all: a string that ends elsewhere for one of the two
//! would show what is in it. To show only the first words was rejected, since the summary does that.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::lexer::{Lexer, Token, TokenKind};

/// The longest text that is shown, in bytes.
pub(crate) const LONGEST: usize = 8192;

/// The text without its values; `None` where that cannot be had. `bound`: values are bound to it.
pub(crate) fn shown(dialect: Dialect, sql: &str, bound: bool) -> Option<Cow<'_, str>> {
    let text = match bound && !may_hold_string(dialect, sql) {
        true => Cow::Borrowed(sql),
        false => Cow::Owned(without_values(dialect, sql)?),
    };
    if text.len() <= LONGEST {
        return Some(text);
    }
    let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at))?;
    Some(Cow::Owned(format!("{}…", text.get(..end)?)))
}

/// Whether a string may stand in a text of which values are bound.
fn may_hold_string(dialect: Dialect, sql: &str) -> bool {
    let mut lexer = Lexer::new(dialect, sql);
    if !sql.contains('\'') && dialect == Dialect::Sqlite {
        return false;
    }
    loop {
        match lexer.next() {
            // What is not shown may hold what it likes.
            Ok(Some(token)) if token.start > LONGEST => return false,
            Ok(Some(token)) if token.kind == TokenKind::Text => return true,
            Ok(Some(token)) if token.kind == TokenKind::Executable => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

fn without_values(dialect: Dialect, sql: &str) -> Option<String> {
    // Whether it escapes what follows is a setting of the session.
    if sql.contains('\\') {
        return None;
    }
    let mut masked = Masked {
        dialect,
        sql,
        out: String::with_capacity(sql.len()),
        last: 0,
        place: ShownPlace::default(),
    };
    let mut lexer = Lexer::new(dialect, sql);
    while let Some(token) = lexer.next().ok()? {
        masked.take(&token)?;
        if masked.out.len() > LONGEST {
            break;
        }
    }
    Some(masked.out)
}

/// What stands before a token.
#[derive(Default)]
struct ShownPlace {
    /// The statement began with a word that takes settings.
    setting: ShownSetting,
    /// Names of relations and columns stand here, also quoted ones on SQLite.
    name: bool,
    /// Something of the statement was read.
    begun: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum ShownSetting {
    #[default]
    No,
    /// `ALTER`, which may set something.
    Perhaps,
    /// `SET` or `PRAGMA`, before its `=`.
    Name,
    /// What is set.
    Value,
}

struct Masked<'a> {
    dialect: Dialect,
    sql: &'a str,
    out: String,
    last: usize,
    place: ShownPlace,
}

impl Masked<'_> {
    /// `None` where the text cannot be shown.
    fn take(&mut self, token: &Token) -> Option<()> {
        let text = token.text(self.sql);
        let gap = self.sql.get(self.last..token.start)?;
        self.last = token.end;
        self.out.push_str(gap);
        let hidden = match token.kind {
            TokenKind::Comment => return Some(()),
            TokenKind::Executable => return None,
            TokenKind::Text => true,
            TokenKind::Number => text.starts_with(|c: char| c.is_ascii_digit()),
            TokenKind::Variable => text.contains(['\'', '"', '`']),
            TokenKind::Word => {
                let literal = ["TRUE", "FALSE"]
                    .iter()
                    .any(|word| token.is_word(self.sql, word));
                literal || self.place.setting == ShownSetting::Value
            }
            TokenKind::Quoted => {
                // SQLite takes a quoted name that it does not know for a string.
                let string = self.dialect == Dialect::Sqlite && text.starts_with('"');
                let named = self.place.name || self.sql.as_bytes().get(token.end) == Some(&b'.');
                (string && !named) || self.place.setting == ShownSetting::Value
            }
            _ => false,
        };
        self.out.push_str(if hidden { "?" } else { text });
        self.note(token);
        Some(())
    }

    fn note(&mut self, token: &Token) {
        let is = |words: &[&str]| words.iter().any(|word| token.is_word(self.sql, word));
        let place = &mut self.place;
        place.name = token.kind == TokenKind::Dot
            || is(&[
                "FROM", "JOIN", "INTO", "UPDATE", "TABLE", "AS", "INDEX", "EXISTS",
            ]);
        let setting = place.setting;
        place.setting = match token.kind {
            TokenKind::Semicolon => ShownSetting::No,
            _ if !place.begun && is(&["SET", "PRAGMA"]) => ShownSetting::Name,
            _ if !place.begun && is(&["ALTER", "CREATE"]) => ShownSetting::Perhaps,
            _ if setting == ShownSetting::Perhaps && is(&["SET"]) => ShownSetting::Name,
            TokenKind::Open if setting == ShownSetting::Name => ShownSetting::Value,
            TokenKind::Symbol if setting == ShownSetting::Name && token.text(self.sql) == "=" => {
                ShownSetting::Value
            }
            _ if setting == ShownSetting::Name && is(&["TO"]) => ShownSetting::Value,
            _ => setting,
        };
        place.begun = token.kind != TokenKind::Semicolon;
    }
}
