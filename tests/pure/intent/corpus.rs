//! Every row of the corpus that a text can decide.

use sea_orm::DbBackend;

use crate::{Intent, classify};

pub(super) struct Row {
    pub(super) id: String,
    pub(super) backend: DbBackend,
    pub(super) sql: String,
    pub(super) expect: String,
    pub(super) needs: String,
}

/// The rows; the data writes a line feed as its sign.
pub(super) fn rows() -> Vec<Row> {
    include_str!("corpus.jsonl")
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            Row {
                id: text("id"),
                backend: match text("backend").as_str() {
                    "postgres" => DbBackend::Postgres,
                    "mysql" => DbBackend::MySql,
                    "sqlite" => DbBackend::Sqlite,
                    other => panic!("unknown backend {other}"),
                },
                sql: text("sql").replace('⏎', "\n"),
                expect: text("expect"),
                needs: text("needs"),
            }
        })
        .collect()
}

/// I1, I2, I3: `primary` is never a read, `read` always is.
#[test]
fn rows_that_a_text_decides_hold() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in rows() {
        if row.needs != "text" {
            continue;
        }
        let verdict = classify(row.backend, &row.sql);
        let holds = match row.expect.as_str() {
            "primary" => verdict.intent() != Intent::Read,
            "read" => verdict.intent() == Intent::Read,
            "either" => true,
            other => panic!("unknown expectation {other}"),
        };
        checked += 1;
        if !holds {
            wrong.push(format!(
                "{} {:?}: {} -> {verdict:?}",
                row.id, row.backend, row.sql
            ));
        }
    }
    assert_eq!(checked, 248, "the corpus lost rows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
