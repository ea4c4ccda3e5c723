//! Statements beyond the corpus, one a line in `more.txt`: backend, expectation, text. `\\n` and `<NUL>` stand for what no line
//! of a text file holds.

use sea_orm::DbBackend;

use crate::{Intent, classify};

#[test]
fn statements_beyond_the_corpus_hold() {
    let mut wrong = Vec::new();
    for line in include_str!("more.txt").lines() {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let mut parts = line.splitn(3, ' ');
        let (backend, expect, sql) = (parts.next(), parts.next(), parts.next().unwrap());
        let backend = match backend {
            Some("postgres") => DbBackend::Postgres,
            Some("mysql") => DbBackend::MySql,
            Some("sqlite") => DbBackend::Sqlite,
            other => panic!("{other:?}"),
        };
        let sql = sql.replace("\\n", "\n").replace("<NUL>", "\0");
        let verdict = classify(backend, &sql);
        let holds = match expect {
            Some("read") => verdict.intent() == Intent::Read,
            Some("primary") => verdict.intent() != Intent::Read,
            other => panic!("{other:?}"),
        };
        if !holds {
            wrong.push(format!("{line} -> {verdict:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What SeaORM's own discovery and helpers send.
#[test]
fn a_session_is_told_from_a_write() {
    for (backend, sql, intent) in [
        (DbBackend::Postgres, "SET search_path TO x", Intent::Session),
        (DbBackend::Postgres, "SELECT currval('s')", Intent::Session),
        (
            DbBackend::Postgres,
            "SELECT pg_is_in_recovery()",
            Intent::Primary,
        ),
        (DbBackend::Postgres, "LOCK TABLE t", Intent::Primary),
        (
            DbBackend::Postgres,
            "SET x = 1; DELETE FROM t; SELECT 1",
            Intent::Write,
        ),
        (DbBackend::MySql, "SELECT @a", Intent::Session),
        (DbBackend::MySql, "SELECT NEXT VALUE FOR sq", Intent::Write),
        (DbBackend::Sqlite, "ATTACH 'x' AS o", Intent::Session),
    ] {
        assert_eq!(classify(backend, sql).intent(), intent, "{sql}");
    }
}
