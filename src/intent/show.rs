//! MySQL's SHOW: what the schema says is the same on every node, all else is a server's or a connection's own.

use super::judged::{Judged, Ruling, TextKind};
use super::keyword;
use super::statement::Statement;

/// Words that may stand between SHOW and what is shown.
const MODIFIERS: [&str; 2] = ["FULL", "EXTENDED"];

/// What is read from the schema.
const READS: [&str; 16] = [
    "TABLES",
    "COLUMNS",
    "FIELDS",
    "INDEX",
    "INDEXES",
    "KEYS",
    "CREATE",
    "DATABASES",
    "SCHEMAS",
    "TRIGGERS",
    "CHARACTER",
    "CHARSET",
    "COLLATION",
    "ENGINES",
    "EVENTS",
    "PRIVILEGES",
];

/// What belongs to the connection that ran the statement before.
const SESSION: [&str; 6] = ["WARNINGS", "ERRORS", "COUNT", "SESSION", "LOCAL", "PROFILE"];

pub(crate) fn mysql(statement: &Statement<'_>) -> Judged {
    let mut at = 1;
    while MODIFIERS.iter().any(|word| statement.is_word(at, word)) {
        at += 1;
    }
    let schema_listing = [
        ["TABLE", "STATUS"],
        ["FUNCTION", "STATUS"],
        ["PROCEDURE", "STATUS"],
    ];
    let shown = |words: &[&str]| words.iter().any(|word| statement.is_word(at, word));
    let ruling = if shown(&READS)
        || schema_listing
            .iter()
            .any(|words| statement.are_words(at, words))
    {
        // SHOW … WHERE takes an expression, which may call anything.
        if statement
            .tokens
            .iter()
            .any(|t| t.is_word(statement.sql, "WHERE"))
        {
            Ruling::unparsed("SHOW … WHERE")
        } else {
            Ruling::READ
        }
    } else if shown(&SESSION) {
        Ruling::session(keyword::named("SHOW"))
    } else {
        Ruling::primary(keyword::named("SHOW"))
    };
    Judged::of(ruling, TextKind::Other)
}
