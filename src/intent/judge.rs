//! Judges a text: cuts it into statements, judges each, and keeps the strictest (I1, I2, I3).
//!
//! Two readers look at each query: one by its clauses, and one by its bare tokens. What only one of them finds still
//! counts, so that a place that the grammar hides cannot hide a lock or a call.

mod by_keyword;

use super::dialect::Dialect;
use super::executable;
use super::judged::{Judged, Ruling, TextKind};
use super::lexer::{self, Token};
use super::settings::Settings;
use super::statement::Statement;
use crate::vocabulary::{Intent, Reason};

/// The comment that raises a read to the primary; a hint never lowers an intent.
const HINT: &str = "sealane:primary";

/// Judges a whole text, whatever it is.
pub(crate) fn judge(dialect: Dialect, sql: &str, settings: &Settings) -> Judged {
    if sql.len() > settings.longest_parsed() {
        return Judged::of(
            Ruling::new(Intent::Primary, Reason::TooLong, "length"),
            TextKind::Other,
        );
    }
    if sql.contains('\0') {
        // Some clients and servers end a text there, and would run another one than was judged.
        return Judged::of(Ruling::unparsed("a NUL"), TextKind::Other);
    }
    readings(dialect, sql, settings)
}

/// MySQL's executable comments give a text several readings, one for each server's version: the strictest counts.
fn readings(dialect: Dialect, sql: &str, settings: &Settings) -> Judged {
    let Ok(tokens) = lexer::tokens(dialect, sql) else {
        return Judged::of(
            Ruling::unparsed("an unterminated string or comment"),
            TextKind::Other,
        );
    };
    if !tokens
        .iter()
        .any(|t| t.kind == lexer::TokenKind::Executable)
    {
        return statements(dialect, sql, tokens, settings);
    }
    let Some(readings) = executable::readings(sql, &tokens) else {
        return Judged::of(Ruling::unparsed("executable comments"), TextKind::Other);
    };
    let mut strictest: Option<Judged> = None;
    for reading in readings {
        let judged = match lexer::tokens(dialect, &reading) {
            Ok(tokens) => statements(dialect, &reading, tokens, settings),
            Err(lexer::Unterminated) => {
                Judged::of(Ruling::unparsed("executable comments"), TextKind::Other)
            }
        };
        match &mut strictest {
            Some(all) => {
                if all.traits.kind != judged.traits.kind {
                    all.traits.kind = TextKind::Other;
                }
                all.merge(judged);
            }
            None => strictest = Some(judged),
        }
    }
    strictest
        .unwrap_or_else(|| Judged::of(Ruling::unparsed("executable comments"), TextKind::Other))
}

fn statements(dialect: Dialect, sql: &str, tokens: Vec<Token>, settings: &Settings) -> Judged {
    let (clean, hinted) = without_comments(sql, &tokens);
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|t| t.kind != lexer::TokenKind::Comment)
        .collect();
    let mut all: Option<Judged> = None;
    for slice in tokens.split(|t| t.kind == lexer::TokenKind::Semicolon) {
        if slice.is_empty() {
            continue;
        }
        let judged = by_keyword::judge(&Statement {
            dialect,
            settings,
            sql: &clean,
            tokens: slice,
        });
        match &mut all {
            Some(all) => {
                all.merge(judged);
                all.traits.kind = TextKind::Several;
            }
            None => all = Some(judged),
        }
    }
    let mut judged =
        all.unwrap_or_else(|| Judged::of(Ruling::unparsed("no statement"), TextKind::Empty));
    if hinted {
        judged
            .ruling
            .raise(Ruling::primary("comment sealane:primary"));
    }
    judged
}

/// The text with blanks where comments stood, so that offsets stay, and whether one of them is the hint.
fn without_comments<'a>(sql: &'a str, tokens: &[Token]) -> (std::borrow::Cow<'a, str>, bool) {
    let mut hinted = false;
    let mut clean: Option<String> = None;
    let mut from = 0;
    for token in tokens
        .iter()
        .filter(|t| t.kind == lexer::TokenKind::Comment)
    {
        let text = token.text(sql);
        hinted |= text
            .trim_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '*' | '-' | '#' | '+'))
            .eq_ignore_ascii_case(HINT);
        let clean = clean.get_or_insert_with(|| String::with_capacity(sql.len()));
        clean.push_str(sql.get(from..token.start).unwrap_or_default());
        clean.extend(std::iter::repeat_n(' ', text.len()));
        from = token.end;
    }
    match clean {
        None => (sql.into(), hinted),
        Some(mut clean) => {
            clean.push_str(sql.get(from..).unwrap_or_default());
            (clean.into(), hinted)
        }
    }
}
