//! Reading a setting is harmless where the handle sets it, and nowhere else (rule R11).

use sea_orm::DbBackend;

use crate::intent::catalog::{
    build,
    rows::{CatalogRows, FunctionRow, RelationRow, SettingRow, UseRow},
};
use crate::intent::{Classifier, Knowledge, Settings};
use crate::{Intent, Reason};

fn classifier(settings: Settings) -> Classifier {
    let plain = Classifier::new(DbBackend::Postgres, settings, Knowledge::Trusted);
    plain.with_local(DbBackend::Postgres, &["app.tenant", "app.user"])
}

#[test]
fn a_name_that_is_written_out_and_set_may_be_read() {
    let local = classifier(Settings::default());
    let plain = Classifier::new(DbBackend::Postgres, Settings::default(), Knowledge::Trusted);
    for sql in [
        "SELECT current_setting('app.tenant')",
        "SELECT id FROM t WHERE a = current_setting('app.tenant', true)::int",
        "SELECT Current_Setting ( 'APP.User' , false )",
        "SELECT pg_catalog.current_setting('app.user')",
        "SELECT \"current_setting\"('app.user')",
        "SELECT current_setting(/* 'x' */ 'app.user')",
    ] {
        assert_eq!(local.verdict(sql).intent, Intent::Read, "{sql}");
        assert_eq!(plain.verdict(sql).intent, Intent::Session, "{sql}");
    }
    for sql in [
        "SELECT current_setting('app.other')",
        "SELECT current_setting('work_mem')",
        "SELECT current_setting('app.tenant' || '')",
        "SELECT current_setting('app.' 'tenant')",
        "SELECT current_setting('app.' -- \n 'tenant')",
        "SELECT current_setting(E'app.tenant')",
        "SELECT current_setting($1)",
        "SELECT current_setting($$app.tenant$$)",
        "SELECT current_setting(name) FROM t",
        "SELECT ('app.tenant').current_setting",
        "SELECT s.current_setting('app.tenant')",
        "SELECT current_setting('app.tenant'), current_setting('app.other')",
        "SELECT set_config('app.tenant', '1', true)",
        "SHOW app.tenant",
        "SELECT current_setting('app.tenant'); DELETE FROM t",
        "SELECT id FROM t WHERE a = current_setting('app.tenant') FOR UPDATE",
    ] {
        assert_ne!(local.verdict(sql).intent, Intent::Read, "{sql}");
    }
    // The user's own word wins.
    let denied = classifier(Settings::default().primary_functions(["current_setting"]));
    let verdict = denied.verdict("SELECT current_setting('app.tenant')");
    assert_eq!(verdict.intent, Intent::Primary);
}

/// A name as the server's tree has it.
fn bytes(name: &str) -> String {
    let length = name.len().to_string();
    let bytes = name.bytes().map(|byte| byte.to_string());
    let all = [length, "0".into(), "0".into(), "0".into()];
    all.into_iter().chain(bytes).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_name_is_read_from_the_servers_tree() {
    let named = |name: &str| SettingRow {
        name: name.to_owned(),
        ..SettingRow::default()
    };
    assert_eq!(
        named(&bytes("app.tenant")).name().as_deref(),
        Some("app.tenant")
    );
    assert_eq!(named("9 0 0 0 -61 -92").name().as_deref(), Some("ä"));
    for nothing in ["", "9 0 0 0", "9 0 0 0 -61", "9 0 0 0 x"] {
        assert_eq!(named(nothing).name(), None, "{nothing}");
    }
}

#[test]
fn a_policy_is_harmless_where_all_that_it_reads_is_set() {
    let table = |id: i64, name: &str| RelationRow {
        id,
        schema: "public".into(),
        name: name.into(),
        kind: "r".into(),
        persistence: "p".into(),
        ..RelationRow::default()
    };
    let reads = |id: i64| UseRow {
        class: "relation".into(),
        id,
        target: "function".into(),
        target_id: 2077,
        target_schema: "pg_catalog".into(),
        target_name: "current_setting".into(),
        ..UseRow::default()
    };
    let setting = |id: i64, name: &str| SettingRow {
        id,
        name: name.to_owned(),
    };
    let function = |id: i64, name: &str, language: &str, body: &str| FunctionRow {
        id,
        schema: "public".into(),
        name: name.into(),
        kind: "f".into(),
        language: language.into(),
        body: body.into(),
        ..FunctionRow::default()
    };
    let rows = CatalogRows {
        relations: vec![
            table(20_001, "one"),
            table(20_002, "other"),
            table(20_003, "any"),
            table(20_004, "untold"),
        ],
        uses: [20_001, 20_002, 20_003, 20_004].map(reads).into(),
        settings: vec![
            setting(20_001, &bytes("app.tenant")),
            setting(20_001, &bytes("app.user")),
            setting(20_002, &bytes("app.tenant")),
            setting(20_002, &bytes("app.other")),
            setting(20_003, &bytes("app.tenant")),
            setting(20_003, ""),
        ],
        functions: vec![
            function(
                20_011,
                "by_sql",
                "sql",
                "SELECT current_setting('app.tenant')",
            ),
            function(
                20_012,
                "by_plpgsql",
                "plpgsql",
                "BEGIN RETURN current_setting('app.user', true); END",
            ),
            function(
                20_013,
                "by_other",
                "plpgsql",
                "BEGIN RETURN current_setting('app.other', true); END",
            ),
        ],
        ..CatalogRows::default()
    };
    let knows = |settings: Settings| {
        let catalog = build(DbBackend::Postgres, &rows, &settings);
        Classifier::new(
            DbBackend::Postgres,
            settings,
            Knowledge::Known(catalog.into()),
        )
    };
    let local = knows(Settings::default().with_local(["app.tenant", "app.user"]));
    let plain = knows(Settings::default());
    for sql in [
        "SELECT * FROM one",
        "SELECT by_sql()",
        "SELECT by_plpgsql() FROM one",
    ] {
        assert_eq!(local.verdict(sql).intent, Intent::Read, "{sql}");
        assert_ne!(plain.verdict(sql).intent, Intent::Read, "{sql}");
    }
    for sql in [
        "SELECT * FROM other",
        "SELECT * FROM any",
        "SELECT * FROM untold",
        "SELECT * FROM one, other",
        "SELECT by_other()",
    ] {
        assert_ne!(local.verdict(sql).intent, Intent::Read, "{sql}");
    }
    assert_eq!(
        local.verdict("SELECT by_other()").reason,
        Reason::UnknownFunction
    );
}

#[test]
fn a_text_that_ends_its_transaction_is_known() {
    let local = classifier(Settings::default());
    for sql in [
        "INSERT INTO t VALUES ('commit')",
        "SELECT CASE WHEN a THEN 1 END FROM t; SELECT 2",
        "DO $$ BEGIN COMMIT; END $$",
        "PREPARE p AS SELECT 1",
        "SELECT 1 -- commit\n",
        "SAVEPOINT s; RELEASE s",
    ] {
        assert!(local.leaves_open(sql), "{sql}");
    }
    for sql in [
        "commit",
        "SELECT 1; /* */ Rollback",
        "abort;",
        "END",
        "SELECT 1;;COMMIT AND CHAIN",
        "PREPARE TRANSACTION 'x'",
        "SELECT 'commit",
        "ROLLBACK TO s",
    ] {
        assert!(!local.leaves_open(sql), "{sql}");
    }
    // Nobody knows where its strings end.
    local.distrust_strings();
    assert!(!local.leaves_open(r"SELECT '\'; COMMIT; --'"));
    assert!(local.leaves_open(r"SELECT '\'"));
}

/// What stands for a string in one mode is a name, or the end of a string, in another.
#[test]
fn a_text_whose_strings_some_session_reads_otherwise_is_no_read() {
    let judge = |backend| Classifier::new(backend, Settings::default(), Knowledge::Trusted);
    let double = r#"SELECT "a" FROM note"#;
    let backslash = r"SELECT 'a\\' FROM note";
    let plain = "SELECT 'a' FROM note";
    for (backend, strange) in [
        (DbBackend::MySql, [true, true, false]),
        (DbBackend::Postgres, [false, true, false]),
        (DbBackend::Sqlite, [false, false, false]),
    ] {
        let classifier = judge(backend);
        let texts = [double, backslash, plain];
        let intents = || texts.map(|text| classifier.verdict(text).intent);
        assert_eq!(intents(), [Intent::Read; 3], "{backend:?}");
        classifier.distrust_strings();
        let expected = strange.map(|strange| match strange {
            true => Intent::Primary,
            false => Intent::Read,
        });
        assert_eq!(intents(), expected, "{backend:?}");
    }
}
