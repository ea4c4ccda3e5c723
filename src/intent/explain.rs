//! EXPLAIN and its relatives: the intent of the body only where the server runs the body.
//!
//! PostgreSQL may call functions that are not volatile while it plans, so a function that is not known keeps its
//! weight even where the body does not run.

use super::judged::{Judged, Ruling, TextKind};
use super::lexer;
use super::pragma;
use super::query;
use super::reader::Purpose;
use super::statement::{self, Statement};

/// PostgreSQL: the options say whether the body runs. `inside` judges a body that does.
pub(crate) fn postgres(statement: &Statement<'_>, inside: fn(&Statement<'_>) -> Judged) -> Judged {
    let (runs, body) = if statement.kind(1) == Some(lexer::TokenKind::Open) {
        let Some(close) = statement.closing(1) else {
            return statement::unparsed();
        };
        (option_runs(&statement.between(2, close)), close + 1)
    } else {
        let runs = statement.is_word(1, "ANALYZE") || statement.is_word(1, "ANALYSE");
        let after = if runs { 2 } else { 1 };
        (
            runs,
            after + usize::from(statement.is_word(after, "VERBOSE")),
        )
    };
    let body = statement.from(body);
    let mut judged = match (runs, body.word(0).map(str::to_ascii_uppercase).as_deref()) {
        // Each would be a level of the stack.
        (true, Some("EXPLAIN")) => statement::unparsed(),
        (true, Some(_)) => inside(&body),
        (_, None) => match body.kind(0) {
            Some(lexer::TokenKind::Open) => {
                query::judge(&body, if runs { Purpose::Run } else { Purpose::Plan })
            }
            _ => statement::unparsed(),
        },
        (false, Some("TABLE")) => inside(&body),
        (false, Some("SELECT" | "WITH" | "VALUES" | "INSERT" | "UPDATE" | "DELETE" | "MERGE")) => {
            query::judge(&body, Purpose::Plan)
        }
        (false, Some("EXECUTE")) => Judged::of(Ruling::session("EXPLAIN EXECUTE"), TextKind::Other),
        (false, Some(_)) => Judged::of(Ruling::unparsed("EXPLAIN"), TextKind::Other),
    };
    judged.traits.kind = TextKind::Other;
    judged
}

/// Whether the options of `EXPLAIN (…)` ask for a run. A value that is not known to mean no, means yes.
fn option_runs(options: &Statement<'_>) -> bool {
    options
        .tokens
        .split(|t| t.kind == lexer::TokenKind::Comma)
        .any(|option| {
            let Some((name, value)) = option.split_first() else {
                return false;
            };
            let analyze =
                name.is_word(options.sql, "ANALYZE") || name.is_word(options.sql, "ANALYSE");
            // A quoted option could be spelt in ways that are not worth reading.
            let analyze = analyze || name.kind == lexer::TokenKind::Quoted;
            let off = value.first().is_some_and(|value| {
                let text = value.text(options.sql);
                ["off", "false", "0"]
                    .iter()
                    .any(|no| text.eq_ignore_ascii_case(no))
            });
            analyze && !off
        })
}

/// MySQL: `EXPLAIN table`, or a body that may be run in part while it is planned. A replica refuses a writing body.
pub(crate) fn mysql(statement: &Statement<'_>, inside: fn(&Statement<'_>) -> Judged) -> Judged {
    let mut at = 1;
    loop {
        if ["EXTENDED", "PARTITIONS", "ANALYZE"]
            .iter()
            .any(|word| statement.is_word(at, word))
        {
            at += 1;
        } else if statement.is_word(at, "FORMAT") {
            // FORMAT = name
            at += 3;
        } else {
            break;
        }
    }
    let body = statement.from(at);
    let first = body.word(0).map(str::to_ascii_uppercase);
    let mut judged = match first.as_deref() {
        Some("SELECT" | "WITH" | "TABLE" | "VALUES") => inside(&body),
        Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE") => {
            Judged::of(Ruling::write("EXPLAIN of a write"), TextKind::Other)
        }
        Some("FOR") => Judged::of(Ruling::primary("EXPLAIN FOR CONNECTION"), TextKind::Other),
        _ if body.kind(0) == Some(lexer::TokenKind::Open) => inside(&body),
        _ => match statement::relation_at(&body, 0) {
            // A column or a pattern may follow, and nothing else.
            Some((judged, end)) if body.tokens.len() <= end + 1 => judged,
            _ => statement::unparsed(),
        },
    };
    judged.traits.kind = TextKind::Other;
    judged
}

/// MariaDB's `ANALYZE [FORMAT=JSON] statement` runs the statement; `ANALYZE TABLE` writes statistics.
pub(crate) fn mysql_analyze(
    statement: &Statement<'_>,
    inside: fn(&Statement<'_>) -> Judged,
) -> Judged {
    let at = if statement.is_word(1, "FORMAT") { 4 } else { 1 };
    let body = statement.from(at);
    let first = body.word(0).map(str::to_ascii_uppercase);
    let mut judged = match first.as_deref() {
        Some("SELECT" | "WITH" | "VALUES" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE") => {
            inside(&body)
        }
        _ if body.kind(0) == Some(lexer::TokenKind::Open) => inside(&body),
        _ => Judged::of(Ruling::write("ANALYZE TABLE"), TextKind::Other),
    };
    judged.traits.kind = TextKind::Other;
    judged
}

/// SQLite never runs what it explains, but some pragmas act while they are compiled.
pub(crate) fn sqlite(statement: &Statement<'_>) -> Judged {
    let at = if statement.are_words(1, &["QUERY", "PLAN"]) {
        3
    } else {
        1
    };
    let body = statement.from(at);
    match body.word(0).map(str::to_ascii_uppercase).as_deref() {
        Some("SELECT" | "WITH" | "VALUES" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE") => {
            Judged::of(Ruling::READ, TextKind::Other)
        }
        Some("PRAGMA") => pragma::explained(&body),
        _ => Judged::of(Ruling::unparsed("EXPLAIN"), TextKind::Other),
    }
}
