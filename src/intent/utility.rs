//! Statements that are neither a query nor decided by one keyword: COPY, MariaDB's SET, two-phase commit.

use super::judged::{Judged, Ruling, TextKind};
use super::keyword;
use super::lexer;
use super::query;
use super::reader::Purpose;
use super::statement::{self, Statement};

/// PostgreSQL's COPY: only out of a table or of a read, and only to the client.
pub(crate) fn copy(statement: &Statement<'_>) -> Judged {
    let (mut judged, after) = if statement.kind(1) == Some(lexer::TokenKind::Open) {
        let Some(close) = statement.closing(1) else {
            return statement::unparsed();
        };
        let inner = statement.between(2, close);
        (query::judge(&inner, Purpose::Run), close + 1)
    } else {
        let Some((judged, mut after)) = statement::relation_at(statement, 1) else {
            return statement::unparsed();
        };
        if statement.kind(after) == Some(lexer::TokenKind::Open) {
            let Some(close) = statement.closing(after) else {
                return statement::unparsed();
            };
            after = close + 1;
        }
        (judged, after)
    };
    judged.traits.kind = TextKind::Other;
    if statement.is_word(after, "FROM") {
        judged.ruling.raise(Ruling::write("COPY FROM"));
    } else if !statement.is_word(after, "TO") {
        judged.ruling.raise(Ruling::unparsed("COPY"));
    } else if !statement.is_word(after + 1, "STDOUT") {
        // A file or a program, on the host of whichever server runs it.
        judged.traits.may_act_outside = true;
        judged
            .ruling
            .raise(Ruling::primary("COPY TO a file or program"));
    }
    judged
}

/// MySQL's SET, and MariaDB's `SET STATEMENT … FOR`, whose intent is that of the statement behind it.
pub(crate) fn mysql_set(statement: &Statement<'_>, inside: fn(&Statement<'_>) -> Judged) -> Judged {
    if statement.is_word(1, "STATEMENT") {
        let behind = statement
            .tokens
            .iter()
            .position(|t| t.is_word(statement.sql, "FOR"));
        // A value that is more than a literal could call anything.
        let plain = |upto: usize| {
            statement
                .tokens
                .iter()
                .take(upto)
                .all(|t| !matches!(t.kind, lexer::TokenKind::Open | lexer::TokenKind::Variable))
        };
        return match behind {
            Some(at) if plain(at) && at + 1 < statement.tokens.len() => {
                let mut judged = inside(&statement.from(at + 1));
                judged.traits.kind = TextKind::Other;
                judged
            }
            _ => statement::unparsed(),
        };
    }
    let ruling = match statement.word(1).map(str::to_ascii_uppercase).as_deref() {
        Some("PASSWORD") => Ruling::write("SET PASSWORD"),
        Some("DEFAULT") => Ruling::write("SET DEFAULT ROLE"),
        Some(word @ ("GLOBAL" | "PERSIST" | "PERSIST_ONLY")) => {
            Ruling::primary(format!("SET {word}"))
        }
        _ => Ruling::session(keyword::named("SET")),
    };
    Judged::of(ruling, TextKind::Other)
}

/// PREPARE TRANSACTION, COMMIT PREPARED and ROLLBACK PREPARED write; the plain forms belong to one connection.
pub(crate) fn transaction_end(statement: &Statement<'_>, word: &str) -> Judged {
    let two_phase = (word == "PREPARE" && statement.is_word(1, "TRANSACTION"))
        || statement.is_word(1, "PREPARED");
    let ruling = if two_phase {
        Ruling::write("two-phase commit")
    } else {
        Ruling::session(keyword::named(word))
    };
    Judged::of(ruling, TextKind::Other)
}
