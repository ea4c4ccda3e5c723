//! I5: what only the server knows. The rows in `catalog.json` are what PostgreSQL 15 answered to the crate's own queries,
//! asked by a role without privileges, over the objects in `catalog.sql`.

use sea_orm::DbBackend;
use serde_json::Value;

use super::corpus;
use crate::Intent;
use crate::intent::catalog::rows::{CatalogRows, FunctionRow, RelationRow, TypeRow, UseRow};
use crate::intent::catalog::{self, Catalog, RelationKind};
use crate::intent::{Classifier, Knowledge, Settings};

fn rows() -> CatalogRows {
    let all: Value = serde_json::from_str(include_str!("catalog.json")).unwrap();
    let of = |key: &str| all[key].as_array().unwrap().clone();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let flag = |row: &Value, key: &str| row[key].as_bool().unwrap();
    let id = |row: &Value, key: &str| row[key].as_i64().unwrap();
    CatalogRows {
        settings: Vec::new(),
        functions: of("functions")
            .iter()
            .map(|row| FunctionRow {
                id: id(row, "id"),
                schema: text(row, "schema"),
                name: text(row, "name"),
                kind: text(row, "kind"),
                volatile: flag(row, "volatile"),
                language: text(row, "language"),
                body: text(row, "body"),
                extension: text(row, "extension"),
                configured: flag(row, "configured"),
                attribute: flag(row, "attribute"),
            })
            .collect(),
        relations: of("relations")
            .iter()
            .map(|row| RelationRow {
                id: id(row, "id"),
                schema: text(row, "schema"),
                name: text(row, "name"),
                kind: text(row, "kind"),
                persistence: text(row, "persistence"),
                locks: flag(row, "locks"),
                wrapper: text(row, "wrapper"),
                definition: String::new(),
            })
            .collect(),
        types: of("types")
            .iter()
            .map(|row| TypeRow {
                id: id(row, "id"),
                schema: text(row, "schema"),
                name: text(row, "name"),
                ..TypeRow::default()
            })
            .collect(),
        uses: of("uses")
            .iter()
            .map(|row| UseRow {
                class: text(row, "class"),
                id: id(row, "id"),
                name: text(row, "name"),
                target: text(row, "target"),
                target_id: id(row, "target_id"),
                target_schema: text(row, "target_schema"),
                target_name: text(row, "target_name"),
                immutable: flag(row, "immutable"),
                support: flag(row, "support"),
                ..UseRow::default()
            })
            .collect(),
    }
}

fn known(settings: Settings) -> (Classifier, Catalog) {
    let catalog = catalog::build(DbBackend::Postgres, &rows(), &settings);
    let knowledge = Knowledge::Known(catalog.clone().into());
    (
        Classifier::new(DbBackend::Postgres, settings, knowledge),
        catalog,
    )
}

fn check(classifier: &Classifier, reads: bool, texts: &[&str]) {
    let wrong: Vec<String> = texts
        .iter()
        .map(|sql| (sql, classifier.explain(sql)))
        .filter(|(_, verdict)| (verdict.intent() == Intent::Read) != reads)
        .map(|(sql, verdict)| format!("{sql} -> {verdict:?}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "expected read = {reads}:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn rows_of_the_corpus_that_need_the_catalog_hold() {
    let (classifier, _) = known(Settings::default());
    let mut checked = 0;
    for row in corpus::rows() {
        if row.needs == "catalog" && row.backend == DbBackend::Postgres {
            check(&classifier, false, &[&row.sql]);
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

#[test]
fn what_is_understood_to_the_end_is_a_read() {
    let (classifier, _) = known(Settings::default());
    check(
        &classifier,
        true,
        &[
            "SELECT * FROM jobs",
            "SELECT * FROM public.jobs j WHERE j.id IN ($1, $2)",
            "SELECT * FROM v_jobs",
            "SELECT * FROM v_jobs_again",
            "SELECT * FROM report_mv",
            "SELECT * FROM parent",
            "SELECT * FROM owned",
            "SELECT * FROM foreign_jobs",
            "SELECT * FROM v_foreign",
            "SELECT doubled(2), public.doubled(3)",
            "SELECT quadrupled(2)",
            "SELECT jobs_left()",
            "SELECT even(4)",
            "SELECT own_path()",
            "SELECT harmless_sum(id) FROM jobs",
            "SELECT 3::positive",
            "SELECT $1::mood, CAST($2 AS public.mood), '{}'::mood[]",
            "SELECT 'sad'::mood <~< 'glad'::mood",
            "SELECT upper(v) FROM jobs",
            "SELECT max(v), replace(v, 'a', 'b') FROM jobs WHERE v = 'x'",
            "SELECT 'x'::citext = 'X'",
            "SELECT uuid_generate_v4()",
            "WITH jobs AS (SELECT 1 AS id) SELECT id FROM jobs",
            "WITH fresh AS (SELECT 1 AS id) SELECT id FROM fresh",
            "SELECT now(), random() FROM pg_catalog.pg_class",
        ],
    );
}

#[test]
fn what_has_an_effect_somewhere_below_is_not() {
    let (classifier, _) = known(Settings::default());
    check(
        &classifier,
        false,
        &[
            "SELECT ticket FROM v_over_next_ticket",
            "SELECT * FROM v_locking",
            "SELECT * FROM v_activity",
            "SELECT * FROM v_unlogged",
            "SELECT * FROM half_logged",
            "SELECT * FROM guarded",
            "SELECT * FROM passwd",
            "SELECT last_value FROM sq",
            "COPY metrics_unlogged TO STDOUT",
            "SELECT add_audit_row('x')",
            "SELECT counted()",
            "SELECT locks_quietly()",
            "SELECT locks_quietly_in_sql()",
            "SELECT calls_the_lock()",
            "SELECT calls_the_caller()",
            "SELECT id FROM jobs WHERE id = calls_the_caller()",
            "SELECT swallows()",
            "SELECT dynamic('1')",
            "SELECT reads_the_sequence()",
            "SELECT reads_the_sequence_in_sql()",
            "SELECT takes_default()",
            "SELECT takes_domain(1)",
            "SELECT becomes_another()",
            "SELECT built_in_in_disguise('sq')",
            "SELECT atomic()",
            "SELECT harmful_sum(id) FROM jobs",
            "SELECT 'sad'::mood +~+ 'glad'::mood",
            "SELECT 'sad'::mood OPERATOR(public.+~+) 'glad'::mood",
            "SELECT ^@!@ 'sq'::regclass",
            "SELECT 3::over_checked",
            "SELECT CAST(3 AS public.checked_int)",
            "SELECT checked_int '3'",
            "SELECT checked_int(3)",
            "SELECT '{3}'::checked_int[]",
            "SELECT ROW(1, 2)::pair",
            "SELECT * FROM json_to_record('{}') AS t(a checked_int)",
            "SELECT json_populate_record(NULL::pair, '{}')",
            "SELECT 3::tone",
            "SELECT tone(3)",
            // A function of rows is called without a parenthesis, too.
            "SELECT jobs.audit FROM jobs",
            "SELECT (jobs).audit FROM jobs",
            // A user's function that shadows a built-in.
            "SELECT lower(v) FROM jobs",
            "SELECT similarity('a', 'b')",
            "SELECT no_such_function()",
            "SELECT * FROM no_such_table",
            "SELECT 1::no_such_type",
            "WITH scratch AS (SELECT * FROM scratch) SELECT * FROM scratch",
            "EXPLAIN SELECT locks_quietly()",
        ],
    );
}

/// Calls by another schema's name do not reach the user's function.
#[test]
fn a_qualified_built_in_is_not_shadowed() {
    let (classifier, _) = known(Settings::default());
    check(&classifier, true, &["SELECT pg_catalog.lower(v) FROM jobs"]);
    check(&classifier, false, &["SELECT public.lower(jobs) FROM jobs"]);
}

#[test]
fn the_users_lists_decide_and_denial_wins() {
    let (allowing, _) =
        known(Settings::default().read_functions(["add_audit_row", "public.swallows"]));
    check(
        &allowing,
        true,
        &["SELECT add_audit_row('x')", "SELECT swallows()"],
    );
    // Not even the user makes a read of what is known to write.
    let (nextval, _) = known(Settings::default().read_functions(["nextval"]));
    check(
        &nextval,
        false,
        &["SELECT nextval('sq')", "SELECT * FROM v_next_ticket"],
    );
    let (denying, _) = known(
        Settings::default()
            .read_functions(["doubled", "upper"])
            .primary_functions(["public.doubled", "UPPER"]),
    );
    // Also below: a function that calls it, and a view.
    check(
        &denying,
        false,
        &[
            "SELECT doubled(1)",
            "SELECT quadrupled(1)",
            "SELECT jobs_left()",
            "SELECT upper('x')",
            "SELECT pg_catalog.upper('x')",
            "EXPLAIN SELECT upper('x')",
        ],
    );
}

/// Until the catalog is read, nothing of the user's is known; what is built in is.
#[test]
fn before_the_first_reading_only_built_ins_are_reads() {
    let awaiting = Classifier::new(DbBackend::Postgres, Settings::default(), Knowledge::Awaited);
    check(
        &awaiting,
        true,
        &["SELECT 1", "SELECT now()", "SELECT relname FROM pg_class"],
    );
    check(
        &awaiting,
        false,
        &["SELECT * FROM jobs", "SELECT doubled(1)", "SELECT $1::mood"],
    );
}

/// A verdict that rests on an older reading is not used again.
#[test]
fn a_new_reading_changes_verdicts_that_were_cached() {
    let awaiting = Classifier::new(DbBackend::Postgres, Settings::default(), Knowledge::Awaited);
    let text = "SELECT v FROM v_jobs";
    assert_eq!(awaiting.verdict(text).intent, Intent::Primary);
    awaiting.learn(Knowledge::Known(
        catalog::build(DbBackend::Postgres, &rows(), awaiting.settings()).into(),
    ));
    assert_eq!(awaiting.verdict(text).intent, Intent::Read);
    let mut dropped = rows();
    dropped.relations.retain(|row| row.name != "v_jobs");
    awaiting.learn(Knowledge::Known(
        catalog::build(DbBackend::Postgres, &dropped, awaiting.settings()).into(),
    ));
    assert_eq!(awaiting.verdict(text).intent, Intent::Primary);
}

/// I6: what reaches another server is known, also through a view.
#[test]
fn foreign_tables_act_outside() {
    let (classifier, catalog) = known(Settings::default());
    assert!(
        classifier
            .verdict("SELECT id FROM foreign_jobs")
            .may_act_outside
    );
    assert!(
        classifier
            .verdict("SELECT id FROM v_foreign")
            .may_act_outside
    );
    assert!(!classifier.verdict("SELECT id FROM jobs").may_act_outside);
    let [passwd] = catalog.relations["passwd"].as_slice() else {
        panic!("one relation")
    };
    assert_eq!(passwd.kind, RelationKind::ForeignOther);
}

#[test]
fn the_part_names_what_decided() {
    let (classifier, _) = known(Settings::default());
    for (sql, part) in [
        ("SELECT * FROM scratch", "temporary table scratch"),
        (
            "SELECT * FROM metrics_unlogged",
            "unlogged table metrics_unlogged",
        ),
        ("SELECT * FROM v_next_ticket", "view v_next_ticket"),
        ("SELECT 3::checked_int", "type checked_int"),
        ("SELECT last_value FROM sq", "sequence sq"),
        ("SELECT calls_the_lock()", "function calls_the_lock"),
    ] {
        assert_eq!(classifier.explain(sql).part(), part, "{sql}");
    }
}

/// MySQL and MariaDB: views are known by their text.
#[test]
fn mysql_rows_of_the_corpus_that_need_the_catalog_hold() {
    let relation = |id: i64, name: &str, kind: &str, definition: &str| RelationRow {
        id,
        schema: "App".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        definition: definition.to_owned(),
        ..RelationRow::default()
    };
    let rows = CatalogRows {
        relations: vec![
            relation(1, "jobs", "r", ""),
            relation(2, "sq", "S", ""),
            relation(3, "v_writes", "v", "select `App`.`add_row`() AS `n`"),
            relation(
                4,
                "v_over",
                "v",
                "select `App`.`v_writes`.`n` AS `n` from `App`.`v_writes`",
            ),
            relation(
                5,
                "v_jobs",
                "v",
                "select `App`.`jobs`.`id` AS `id` from `App`.`jobs` where `App`.`jobs`.`id` > 1",
            ),
            relation(6, "v_hidden", "v", ""),
            relation(7, "far", "f", ""),
        ],
        ..CatalogRows::default()
    };
    let catalog = catalog::build(DbBackend::MySql, &rows, &Settings::default());
    let knowledge = Knowledge::Known(catalog.into());
    let classifier = Classifier::new(DbBackend::MySql, Settings::default(), knowledge);
    let mut checked = 0;
    for row in corpus::rows() {
        if row.needs == "catalog" && row.backend == DbBackend::MySql {
            check(&classifier, false, &[&row.sql]);
            checked += 1;
        }
    }
    assert_eq!(checked, 3);
    check(
        &classifier,
        true,
        &[
            "SELECT * FROM jobs",
            "SELECT * FROM app.JOBS",
            "SELECT id FROM v_jobs",
        ],
    );
    check(
        &classifier,
        false,
        &[
            "SELECT n FROM v_over",
            "SELECT 1 FROM v_hidden",
            "SELECT 1 FROM far",
        ],
    );
}

/// I5: until the catalog is there, only what uses nothing of the user's is a read.
#[test]
fn before_the_catalog_is_read_a_name_is_believed_only_where_it_is_defined() {
    let awaited = Classifier::new(DbBackend::Postgres, Settings::default(), Knowledge::Awaited);
    for (sql, intent) in [
        ("WITH v AS (SELECT 1 AS a) SELECT a FROM v", Intent::Read),
        (
            "WITH v AS (SELECT a FROM v) SELECT a FROM v",
            Intent::Primary,
        ),
        (
            "WITH v AS (SELECT a FROM w), w AS (SELECT 1 AS a) SELECT a FROM v",
            Intent::Primary,
        ),
        (
            "WITH RECURSIVE v AS (SELECT 1 AS a UNION SELECT a FROM v) SELECT a FROM v",
            Intent::Read,
        ),
        ("SELECT (1).own", Intent::Primary),
    ] {
        assert_eq!(awaited.verdict(sql).intent, intent, "{sql}");
    }
}
