//! Judges one statement by its first keyword, and hands what must be read further to the part that reads it.
//!
//! A statement that no part understands needs the primary: nothing here ends in a read by default. What stands around another
//! statement (EXPLAIN, MariaDB's SET STATEMENT) is given [`judge`] for the one inside, and knows nothing of the other parts.

use crate::intent::dialect::Dialect;
use crate::intent::judged::{Judged, Ruling, TextKind};
use crate::intent::keyword::{self, First};
use crate::intent::lexer;
use crate::intent::query;
use crate::intent::reader::Purpose;
use crate::intent::statement::{self, Statement};
use crate::intent::{explain, pragma, show, utility};

/// Judges one statement.
pub(super) fn judge(statement: &Statement<'_>) -> Judged {
    let Some(word) = statement.word(0) else {
        return match statement.kind(0) {
            Some(lexer::TokenKind::Open) => query::judge(statement, Purpose::Run),
            _ => statement::unparsed(),
        };
    };
    match keyword::first_of(statement.dialect, word) {
        First::Decided(judged) => *judged,
        First::Unknown => statement::unparsed(),
        First::Open => open(statement, &word.to_ascii_uppercase()),
    }
}

fn open(statement: &Statement<'_>, word: &str) -> Judged {
    match (word, statement.dialect) {
        ("SELECT" | "WITH" | "VALUES" | "TABLE", _) => query::judge(statement, Purpose::Run),
        ("EXPLAIN", Dialect::Postgres) => explain::postgres(statement, judge),
        ("EXPLAIN" | "DESCRIBE" | "DESC", Dialect::MySql) => explain::mysql(statement, judge),
        ("EXPLAIN", Dialect::Sqlite) => explain::sqlite(statement),
        ("ANALYZE", Dialect::MySql) => explain::mysql_analyze(statement, judge),
        ("SHOW", Dialect::MySql) => show::mysql(statement),
        ("HELP", Dialect::MySql) => Judged::of(Ruling::READ, TextKind::Other),
        ("PRAGMA", Dialect::Sqlite) => pragma::judge(statement),
        ("COPY", Dialect::Postgres) => utility::copy(statement),
        ("SET", Dialect::MySql) => utility::mysql_set(statement, judge),
        ("SET", _) => Judged::of(Ruling::session(keyword::named("SET")), TextKind::Other),
        // Two-phase commit writes; all else that begins so belongs to one connection.
        ("PREPARE" | "COMMIT" | "ROLLBACK", _) => utility::transaction_end(statement, word),
        _ => statement::unparsed(),
    }
}
