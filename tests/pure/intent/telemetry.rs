//! What telemetry says of a text: its summary, and the text without its values.

use serde_json::Value;

use crate::intent::{Dialect, procedure, shown, summary};

fn rows() -> Vec<Value> {
    let lines = include_str!("telemetry.jsonl").lines();
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn dialects(row: &Value) -> Vec<Dialect> {
    match row["on"].as_str() {
        Some("postgres") => vec![Dialect::Postgres],
        Some("mysql") => vec![Dialect::MySql],
        Some("sqlite") => vec![Dialect::Sqlite],
        _ => vec![Dialect::Postgres, Dialect::MySql, Dialect::Sqlite],
    }
}

#[test]
fn a_text_is_summed_up_and_shown_as_its_row_says() {
    for row in rows() {
        let sql = row["sql"].as_str().unwrap();
        for dialect in dialects(&row) {
            if let Some(expected) = row.get("summary") {
                let said = summary(dialect, sql);
                assert_eq!(said.as_deref(), expected.as_str(), "{dialect:?}: {sql}");
            }
            if let Some(expected) = row.get("shown") {
                let bound = row["bound"].as_bool().unwrap_or_default();
                let said = shown(dialect, sql, bound);
                assert_eq!(said.as_deref(), expected.as_str(), "{dialect:?}: {sql}");
            }
            let expected = row["procedure"].as_str();
            assert_eq!(procedure(dialect, sql), expected, "{dialect:?}: {sql}");
        }
    }
}

/// Wherever a value may stand in a text to which none is bound, or beside those that are.
#[test]
fn no_literal_is_shown() {
    let places = [
        "SELECT * FROM t WHERE a = @",
        "SELECT * FROM t WHERE a = ? AND b = @",
        "INSERT INTO t VALUES (1, @, 2)",
        "INSERT INTO t (a) VALUES (@) -- @\n",
        "/* @ */ UPDATE t SET a = @ WHERE b IN (@, @)",
        "SELECT a@b FROM t",
        "ALTER USER app PASSWORD @",
        "CREATE USER app WITH PASSWORD @",
        "SET app.token = @",
        "SELECT set_config('app.token', @, false)",
        "CALL pay(@)",
        "SELECT @; SELECT @",
        "EXPLAIN SELECT @",
    ];
    let literals = [
        (None, "'s3cret'"),
        (None, "'it''s s3cret'"),
        (Some(Dialect::Postgres), "E's3cret'"),
        (Some(Dialect::Postgres), "U&'s3cret'"),
        (Some(Dialect::Postgres), "$$s3cret$$"),
        (Some(Dialect::Postgres), "$x$ '$$ s3cret $x$"),
        (Some(Dialect::MySql), "\"s3cret\""),
        (Some(Dialect::MySql), "_utf8'a\\'s3cret'"),
        (Some(Dialect::MySql), "/*!50000 's3cret' */"),
        (Some(Dialect::Sqlite), "\"s3cret\""),
        (None, "'unterminated s3cret"),
    ];
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        for (only, literal) in literals {
            if only.is_some_and(|only| only != dialect) {
                continue;
            }
            let once = literal.starts_with("'unterminated");
            let places = places.iter();
            for place in places.filter(|place| !once || place.matches('@').count() == 1) {
                let sql = place.replace('@', &format!(" {literal} "));
                for bound in [false, true] {
                    // A quoted name stays in a text whose values are bound: on SQLite it is a name by its grammar.
                    if bound && dialect == Dialect::Sqlite && literal.starts_with('"') {
                        continue;
                    }
                    let shown = shown(dialect, &sql, bound).unwrap_or_default();
                    assert!(
                        !shown.contains("s3cret"),
                        "{dialect:?}: {sql} is shown as {shown}"
                    );
                }
                let summary = summary(dialect, &sql).unwrap_or_default();
                assert!(
                    !summary.contains("s3cret"),
                    "{dialect:?}: {sql} is called {summary}"
                );
            }
        }
    }
}

/// However long a text is, only what is shown of it is read: a megabyte would cost its statement milliseconds.
#[test]
fn what_is_not_shown_is_not_read() {
    let rest = "?, ".repeat(10_000);
    // A string that never ends would be an error, and the whole text not be shown.
    let sql = format!("SELECT * FROM t WHERE a IN ({rest} '");
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        for bound in [false, true] {
            let shown = shown(dialect, &sql, bound).unwrap_or_default();
            assert!(shown.starts_with("SELECT * FROM t"), "{dialect:?} {bound}");
        }
        assert_eq!(summary(dialect, &sql).as_deref(), Some("SELECT t"));
    }
}

#[test]
fn what_is_said_of_a_long_text_is_short() {
    let list = "?, ".repeat(100_000);
    let sql = format!("SELECT * FROM t WHERE a IN ({list} ?)");
    for bound in [false, true] {
        let shown = shown(Dialect::Sqlite, &sql, bound).unwrap();
        assert!(shown.len() < 9_000 && shown.ends_with('…'));
    }
    let joins = "JOIN another_table ON a = b ".repeat(1_000);
    let summary = summary(Dialect::Sqlite, &format!("SELECT * FROM t {joins}")).unwrap();
    assert!(summary.len() <= 255 && summary.ends_with(" another_table"));
}
