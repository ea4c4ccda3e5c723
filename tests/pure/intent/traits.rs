//! What else a verdict tells: for T9, I6 and the catalog; and that it never tells a literal.

use sea_orm::DbBackend;

use crate::intent::{Classifier, Knowledge, Settings, TextKind};
use crate::{Intent, Reason, classify};

fn classifier(backend: DbBackend) -> Classifier {
    Classifier::new(backend, Settings::default(), Knowledge::Trusted)
}

/// T9: an error answer says that nothing was done only to one plain statement.
#[test]
fn only_one_plain_statement_is_plain() {
    let classifier = classifier(DbBackend::Postgres);
    for (sql, kind) in [
        ("SELECT 1", TextKind::Plain),
        ("SELECT 1;", TextKind::Plain),
        ("WITH x AS (SELECT 1) SELECT * FROM x", TextKind::Plain),
        (
            "WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x",
            TextKind::Plain,
        ),
        ("INSERT INTO t VALUES (1)", TextKind::Plain),
        ("insert into t values (';')", TextKind::Plain),
        ("UPDATE t SET a = 1", TextKind::Plain),
        ("DELETE FROM t", TextKind::Plain),
        (
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DO NOTHING",
            TextKind::Plain,
        ),
        ("INSERT INTO t VALUES (1); SELECT 1", TextKind::Several),
        ("CALL p()", TextKind::Other),
        ("DO $$BEGIN END$$", TextKind::Other),
        ("VACUUM t", TextKind::Other),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", TextKind::Other),
        ("COPY (SELECT 1) TO PROGRAM 'cat'", TextKind::Other),
        ("", TextKind::Empty),
        (" ; -- nothing", TextKind::Empty),
    ] {
        assert_eq!(classifier.verdict(sql).kind, kind, "{sql}");
    }
}

#[test]
fn schema_changes_are_told() {
    let classifier = classifier(DbBackend::Postgres);
    for sql in [
        "CREATE TABLE t (a int)",
        "ALTER TABLE t ADD b int",
        "DROP VIEW v",
        "BEGIN; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMIT",
        "SELECT a INTO t2 FROM t",
        "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
    ] {
        assert!(classifier.verdict(sql).ddl, "{sql}");
    }
    for sql in [
        "SELECT 1",
        "INSERT INTO t VALUES (1)",
        "REFRESH MATERIALIZED VIEW m",
    ] {
        assert!(!classifier.verdict(sql).ddl, "{sql}");
    }
}

/// I6: only a single statement of built-in functions may be run again.
#[test]
fn only_built_in_functions_may_be_corrected() {
    let settings = Settings::default().read_functions(["mine"]);
    let classifier = Classifier::new(DbBackend::Postgres, settings, Knowledge::Trusted);
    let may_be_corrected = |sql| classifier.verdict(sql).may_be_corrected();
    assert!(may_be_corrected("SELECT upper(v) FROM t"));
    assert_eq!(classifier.verdict("SELECT mine()").intent, Intent::Read);
    assert!(!may_be_corrected("SELECT mine()"));
    assert!(!may_be_corrected("SELECT 1; SELECT 2"));
}

/// I3.
#[test]
fn a_hint_raises_and_never_lowers() {
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        let of = |sql: &str| classify(backend, sql).intent();
        assert_eq!(of("SELECT 1"), Intent::Read);
        assert_eq!(of("/* sealane:primary */ SELECT 1"), Intent::Primary);
        assert_eq!(of("SELECT 1 -- sealane:primary"), Intent::Primary);
        assert_eq!(of("/* sealane:replica */ DELETE FROM t"), Intent::Write);
        assert_eq!(of("/* sealane:primary */ DELETE FROM t"), Intent::Write);
        assert_eq!(of("SELECT ' sealane:primary '"), Intent::Read);
        for hinted in [
            "/*sealane:primary*/SELECT 1",
            "/*+ SeaLane:PRIMARY */ SELECT 1",
            "SELECT /* sealane:primary */ 1",
            "SELECT 1 --sealane:primary",
            "-- sealane:primary\nSELECT 1",
            "SELECT 1 /* one more */ /* sealane:primary */",
            "SELECT 1; /* sealane:primary */ SELECT 2",
            "SELECT 1; SELECT 2; /* sealane:primary */",
        ] {
            if backend == DbBackend::MySql && hinted.contains("--s") {
                // There it is two minus signs.
                continue;
            }
            assert_eq!(of(hinted), Intent::Primary, "{hinted}");
            assert_eq!(
                classify(backend, hinted).reason(),
                Reason::PrimaryOnly,
                "{hinted}"
            );
        }
    }
    // What its server does not take for one is none either.
    let of = |backend, sql: &str| classify(backend, sql).intent();
    assert_eq!(
        of(DbBackend::MySql, "SELECT 1 # sealane:primary"),
        Intent::Primary
    );
    assert_eq!(
        of(DbBackend::Postgres, "/* /* sealane:primary */ */ SELECT 1"),
        Intent::Primary
    );
}

/// I3: a comment that only mentions it, or a text that only looks like a comment, is no hint.
#[test]
fn a_hint_is_a_comment_by_itself() {
    let plain = [
        "/* see sealane:primary */ SELECT 1",
        "/* sealane:primary, please */ SELECT 1",
        "/* sealane: primary */ SELECT 1",
        "/* sealane:replica */ SELECT 1",
        "/* primary */ SELECT 1",
        "SELECT '/* sealane:primary */'",
        "SELECT 1 AS \"/* sealane:primary */\"",
        "SELECT '-- sealane:primary\n'",
    ];
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        for sql in plain {
            assert_eq!(classify(backend, sql).intent(), Intent::Read, "{sql}");
        }
        // A hint among several statements lowers none of them.
        for sql in [
            "/* sealane:primary */ SELECT 1; DELETE FROM t",
            "DELETE FROM t; /* sealane:primary */ SELECT 1",
            "DELETE FROM t /* sealane:primary */",
        ] {
            assert_eq!(classify(backend, sql).intent(), Intent::Write, "{sql}");
        }
    }
    for sql in [
        "SELECT $$ /* sealane:primary */ $$",
        "SELECT E'\\' /* sealane:primary */'",
        "/* seen /* sealane:primary */ */ SELECT 1",
    ] {
        let intent = classify(DbBackend::Postgres, sql).intent();
        assert_eq!(intent, Intent::Read, "{sql}");
    }
}

/// The part goes into logs: no literal of the text may stand in it.
#[test]
fn the_part_holds_no_literal() {
    let canary = "hunter2";
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        for sql in [
            "SELECT nextval('hunter2')",
            "SELECT nosuch('hunter2')",
            "SELECT 'hunter2' FROM t FOR UPDATE",
            "hunter2 SELECT 1",
            "SELECT 1 hunter2 hunter2",
            "SELECT 'hunter2",
            "SELECT * FROM t WHERE a = 'hunter2' AND (",
            "SET x = 'hunter2'",
            "SET PASSWORD = 'hunter2'",
            "PRAGMA key = 'hunter2'",
            "PRAGMA hunter2",
            "ALTER ROLE a PASSWORD 'hunter2'",
            "SELECT @hunter2",
            "COPY t TO '/hunter2'",
            "INSERT INTO t VALUES ('hunter2'); SELECT 'hunter2'",
            "SELECT 1 AS a /* hunter2 */; VALUES (hunter2('x",
        ] {
            let verdict = classify(backend, sql);
            assert!(
                !verdict.part().contains(canary),
                "{sql}: {}",
                verdict.part()
            );
        }
    }
}

#[test]
fn the_part_names_what_decided() {
    for (backend, sql, reason, part) in [
        (
            DbBackend::Postgres,
            "SELECT nextval('sq')",
            Reason::Write,
            "function nextval",
        ),
        (
            DbBackend::Postgres,
            "SELECT a.f()",
            Reason::UnknownFunction,
            "function a.f",
        ),
        (
            DbBackend::Postgres,
            "SELECT 1 FROM t FOR UPDATE",
            Reason::Write,
            "row lock",
        ),
        (
            DbBackend::Postgres,
            "insert into t values (1)",
            Reason::Write,
            "keyword INSERT",
        ),
        (
            DbBackend::Postgres,
            "SELECT * FROM pg_locks",
            Reason::PrimaryOnly,
            "relation pg_locks",
        ),
        (
            DbBackend::Postgres,
            "SHOW x",
            Reason::SessionState,
            "keyword SHOW",
        ),
        (
            DbBackend::MySql,
            "SELECT LAST_INSERT_ID()",
            Reason::SessionState,
            "function last_insert_id",
        ),
        (
            DbBackend::Sqlite,
            "PRAGMA user_version = 1",
            Reason::Write,
            "PRAGMA user_version",
        ),
        (
            DbBackend::Postgres,
            "SELECT 1",
            Reason::Replica,
            "the whole text",
        ),
    ] {
        let verdict = classify(backend, sql);
        assert_eq!((verdict.reason(), verdict.part()), (reason, part), "{sql}");
    }
}
