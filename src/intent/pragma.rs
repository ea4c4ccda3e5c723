//! SQLite's PRAGMA: which name reads, with a value and without, and which acts.
//!
//! A name that is not listed belongs to the connection: most pragmas set something there.

use super::judged::{Judged, Ruling, TextKind};
use super::lexer;
use super::statement::{self, Statement};

/// Read from the file, whether or not an argument is given.
const READS: [&str; 10] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Read when no value is given.
const READS_BARE: [&str; 14] = [
    "application_id",
    "auto_vacuum",
    "collation_list",
    "compile_options",
    "encoding",
    "freelist_count",
    "function_list",
    "journal_mode",
    "max_page_count",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "schema_version",
];

/// Written into the file when a value is given.
const WRITES: [&str; 9] = [
    "application_id",
    "auto_vacuum",
    "encoding",
    "journal_mode",
    "max_page_count",
    "page_size",
    "schema_version",
    "user_version",
    "default_cache_size",
];

/// Work on the file that only its writer may do.
const ACTS: [&str; 3] = ["incremental_vacuum", "optimize", "wal_checkpoint"];

pub(crate) fn judge(statement: &Statement<'_>) -> Judged {
    match named(statement) {
        Some((name, valued)) => Judged::of(ruling(&name, valued), TextKind::Other),
        None => statement::unparsed(),
    }
}

/// EXPLAIN PRAGMA: those that write the file's header do so only when run; others may act while they are compiled.
pub(crate) fn explained(statement: &Statement<'_>) -> Judged {
    match named(statement) {
        Some((name, _))
            if ["application_id", "schema_version", "user_version"].contains(&name.as_str()) =>
        {
            Judged::of(Ruling::READ, TextKind::Other)
        }
        Some((name, valued)) => Judged::of(ruling(&name, valued), TextKind::Other),
        None => statement::unparsed(),
    }
}

/// The pragma's name, and whether a value follows it.
fn named(statement: &Statement<'_>) -> Option<(String, bool)> {
    let at = if statement.kind(2) == Some(lexer::TokenKind::Dot) {
        3
    } else {
        1
    };
    let token = statement.tokens.get(at)?;
    let name = match token.kind {
        lexer::TokenKind::Word => statement.dialect.fold(token.text(statement.sql), false),
        lexer::TokenKind::Quoted => statement::unquoted(statement, token),
        _ => return None,
    };
    Some((name, statement.tokens.len() > at + 1))
}

fn ruling(name: &str, valued: bool) -> Ruling {
    let known = READS
        .iter()
        .chain(&READS_BARE)
        .chain(&WRITES)
        .chain(&ACTS)
        .find(|known| **known == name);
    let part = match known {
        Some(known) => format!("PRAGMA {known}"),
        None => "PRAGMA".to_owned(),
    };
    let is = |list: &[&str]| list.contains(&name);
    if is(&READS) || (!valued && (is(&READS_BARE) || name == "user_version")) {
        Ruling::READ
    } else if is(&ACTS) {
        Ruling::primary(part)
    } else if valued && is(&WRITES) {
        Ruling::write(part)
    } else {
        Ruling::session(part)
    }
}
