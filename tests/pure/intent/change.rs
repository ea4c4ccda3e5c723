//! What a statement changes of the schema, and what stays known meanwhile (rule I5).

use sea_orm::DbBackend;

use crate::intent::{
    Change, Classifier, Knowledge, Settings,
    catalog::{
        self,
        rows::{CatalogRows, FunctionRow, RelationRow, UseRow},
    },
};
use crate::vocabulary::Intent;

fn classifier(rows: &CatalogRows) -> Classifier {
    let catalog = catalog::build(DbBackend::Postgres, rows, &Settings::default());
    let knowledge = Knowledge::Known(catalog.into());
    Classifier::new(DbBackend::Postgres, Settings::default(), knowledge)
}

fn relation(id: i64, name: &str, kind: &str) -> RelationRow {
    RelationRow {
        id,
        schema: "public".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        persistence: "p".to_owned(),
        ..RelationRow::default()
    }
}

/// Two tables, a view over one, a table with a partition, and an operator of a function that may be replaced.
fn rows() -> CatalogRows {
    let uses = |class: &str, id: i64, name: &str, target: &str, target_id: i64| UseRow {
        class: class.to_owned(),
        id,
        name: name.to_owned(),
        target: target.to_owned(),
        target_id,
        support: true,
        ..UseRow::default()
    };
    CatalogRows {
        functions: vec![FunctionRow {
            id: 9,
            schema: "public".to_owned(),
            name: "near".to_owned(),
            kind: "f".to_owned(),
            language: "sql".to_owned(),
            body: "SELECT true".to_owned(),
            ..FunctionRow::default()
        }],
        relations: vec![
            relation(1, "plain", "r"),
            relation(2, "other", "r"),
            relation(3, "shown", "v"),
            relation(4, "parted", "p"),
            relation(5, "part", "r"),
        ],
        uses: vec![
            uses("relation", 3, "", "relation", 2),
            uses("relation", 4, "", "relation", 5),
            uses("operator", 0, "<->", "function", 9),
        ],
        ..CatalogRows::default()
    }
}

fn change(sql: &str) -> Change {
    classifier(&rows()).change(sql)
}

#[test]
fn only_what_can_change_the_catalog_for_reads_does() {
    let vast = format!(
        "SELECT count(*) FROM plain WHERE n IN ({})",
        vec!["17"; 40_000].join(",")
    );
    for sql in [
        "SELECT 1",
        "SELEC 1 FROM",
        "SELECT 'DROP TABLE t; CREATE VIEW'",
        "SELECT 1 ??? 2",
        vast.as_str(),
        "(SELECT 1) UNION (SELECT 2)",
        "INSERT INTO t SELECT ';' FROM u",
        "WITH gone AS (DELETE FROM t RETURNING id) INSERT INTO u SELECT id FROM gone",
        "UPDATE t SET a = 1; DELETE FROM u",
        "CREATE INDEX CONCURRENTLY ON t (a)",
        "CREATE UNIQUE INDEX i ON t (a)",
        "DROP INDEX i",
        "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()",
        "CREATE ROLE r",
        "ALTER ROLE r SET search_path = a",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "GRANT SELECT ON t TO r",
        "REFRESH MATERIALIZED VIEW v",
        "TRUNCATE t",
        "VACUUM t",
        "EXPLAIN ANALYZE UPDATE t SET a = 1",
        "SET search_path = a",
    ] {
        if sql == "SELEC 1 FROM" {
            assert_eq!(change(sql), Change::Anything);
        } else {
            assert_eq!(change(sql), Change::Nothing, "{sql:.60}");
        }
    }
    for sql in [
        "CALL p()",
        "DO $$BEGIN PERFORM f(); END$$",
        "EXECUTE prepared",
    ] {
        assert_eq!(change(sql), Change::Perhaps, "{sql}");
    }
    for sql in [
        "CREATE EXTENSION postgis",
        "CREATE OPERATOR = (LEFTARG = int, RIGHTARG = text, FUNCTION = f)",
        "CREATE CAST (int AS text) WITH FUNCTION f(int)",
        "DO $$BEGIN CREATE VIEW v AS SELECT 1; END$$",
        "DO $$BEGIN EXECUTE 'x'; END$$",
        "ALTER TABLE U&\"\\0070lain\" RENAME TO t",
        "CREATE TABLE 't",
        "SELECT 1; CREATE EXTENSION dblink",
    ] {
        assert_eq!(change(sql), Change::Anything, "{sql}");
    }
    for (sql, name) in [
        ("CREATE TABLE plain (n int)", "plain"),
        ("CREATE OR REPLACE TEMP VIEW Plain AS SELECT 1", "plain"),
        ("ALTER TABLE a.\"Odd\" RENAME TO b", "Odd"),
        ("SELECT 1; DROP TABLE x; SELECT 2", "x"),
        ("SELECT * INTO copied FROM plain", "copied"),
        ("EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1", "made"),
        ("CREATE TABLE c PARTITION OF parent DEFAULT", "parent"),
        ("CREATE POLICY p ON guarded USING (f())", "guarded"),
        (
            "CREATE RULE \"_RETURN\" AS ON SELECT TO ruled DO INSTEAD SELECT 1",
            "ruled",
        ),
        (
            "ALTER TABLE t ADD c int GENERATED ALWAYS AS (1) STORED, INHERIT parent",
            "parent",
        ),
        ("CREATE TABLE t (a int) INHERITS (b, parent)", "parent"),
        ("ALTER MATERIALIZED VIEW m SET SCHEMA s", "m"),
        ("DROP SCHEMA s CASCADE", "s"),
    ] {
        let Change::Named(names) = change(sql) else {
            panic!("{sql}: {:?}", change(sql));
        };
        assert!(names.contains(name), "{sql}: {names:?}");
    }
}

#[test]
fn what_a_change_cannot_have_touched_stays_known() {
    let judged = classifier(&rows());
    let intents = |texts: &[&str]| -> Vec<Intent> {
        texts.iter().map(|sql| judged.verdict(sql).intent).collect()
    };
    let (plain, rest) = (
        ["SELECT n FROM plain WHERE n = 1", "SELECT now()"],
        [
            "SELECT n FROM shown",
            "SELECT n FROM parted",
            "SELECT n <-> 1 FROM plain",
            "SELECT near() FROM plain",
            "SELECT n AS made FROM plain",
            "SELECT n FROM made.plain",
        ],
    );
    assert_eq!(intents(&plain), [Intent::Read; 2]);
    assert_eq!(intents(&rest[..5]), [Intent::Read; 5]);
    assert!(judged.doubt(&change("CREATE VIEW made AS SELECT 1")));
    assert!(judged.awaits_catalog());
    assert_eq!(intents(&plain), [Intent::Read; 2]);
    assert_eq!(intents(&rest), [Intent::Primary; 6]);
    assert!(rest.iter().all(|sql| judged.verdict(sql).unknown));

    // A reading that began before a change does not tell of it.
    judged.reading_begins();
    assert!(judged.doubt(&change("CREATE OR REPLACE VIEW plain AS SELECT 1")));
    let read = || catalog::build(DbBackend::Postgres, &rows(), &Settings::default());
    assert!(!judged.has_read(read()), "it told nothing new");
    assert_eq!(intents(&plain), [Intent::Primary, Intent::Read]);
    judged.reading_begins();
    judged.has_read(read());
    assert!(!judged.awaits_catalog());
    assert_eq!(intents(&plain), [Intent::Read; 2]);
    assert_eq!(intents(&rest[..5]), [Intent::Read; 5]);

    assert!(
        !judged.doubt(&Change::Perhaps),
        "worth a reading, not a doubt"
    );
    assert_eq!(intents(&rest[..5]), [Intent::Read; 5]);
    assert!(judged.doubt(&Change::Anything));
    assert_eq!(intents(&plain), [Intent::Primary, Intent::Primary]);
}

/// A reading that finds everything as it was throws no verdict away.
#[test]
fn a_reading_without_news_keeps_the_verdicts() {
    let judged = classifier(&rows());
    judged.verdict("SELECT n FROM plain");
    let misses = judged.misses();
    judged.reading_begins();
    assert!(!judged.has_read(catalog::build(
        DbBackend::Postgres,
        &rows(),
        &Settings::default()
    )));
    judged.verdict("SELECT n FROM plain");
    assert_eq!(judged.misses(), misses);
}
