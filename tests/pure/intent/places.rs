//! I1: every place of the grammar where a relation or a call may stand; found there, and nowhere taken for something else.
//!
//! `places.txt`: a word for the servers, and a text in which `@` is what stands there.

use sea_orm::DbBackend;

use crate::{Intent, Verdict, classify};

const BACKENDS: [(&str, DbBackend); 3] = [
    ("postgres", DbBackend::Postgres),
    ("mysql", DbBackend::MySql),
    ("sqlite", DbBackend::Sqlite),
];

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("places.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(|line| line.split_once(' ').unwrap())
}

/// Whether the text is a read with what is harmless in that place, and none with what is not.
fn differs(backend: DbBackend, text: &str, harmless: &str, harmful: &str) -> Result<(), Verdict> {
    let read = classify(backend, &text.replace('@', harmless));
    if read.intent() != Intent::Read {
        return Err(read);
    }
    let other = classify(backend, &text.replace('@', harmful));
    let seen = other.intent() != Intent::Read && other.reason() != crate::Reason::Unparsed;
    if seen { Ok(()) } else { Err(other) }
}

#[test]
fn a_relation_is_found_wherever_one_may_stand() {
    let mut wrong = Vec::new();
    for (of, text) in lines() {
        for (name, backend) in BACKENDS {
            if of != "all" && of != name {
                continue;
            }
            let harmful = match backend {
                DbBackend::MySql => "performance_schema.threads",
                DbBackend::Sqlite => "temp.x",
                _ => "pg_stat_activity",
            };
            if let Err(verdict) = differs(backend, text, "other", harmful) {
                wrong.push(format!("{name}: {text} -> {verdict:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_call_is_found_wherever_one_may_stand() {
    let calls = lines().filter(|(of, _)| *of == "call");
    let wrong: Vec<String> = calls
        .filter_map(|(_, text)| {
            let done = differs(DbBackend::Postgres, text, "lower('x')", "nosuch('x')");
            done.err().map(|verdict| format!("{text} -> {verdict:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_surely_understood_is_no_read() {
    let mut wrong = Vec::new();
    for (_, text) in lines().filter(|(of, _)| *of == "never") {
        for (name, backend) in BACKENDS {
            let verdict = classify(backend, &text.replace('@', "t"));
            if verdict.intent() == Intent::Read {
                wrong.push(format!("{name}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
