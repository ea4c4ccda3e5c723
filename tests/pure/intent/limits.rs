//! I2: sizes, depth and the cache.

use std::thread;

use sea_orm::DbBackend;

use crate::intent::{Classifier, Knowledge, Settings};
use crate::{Intent, Reason, classify};

const BACKENDS: [DbBackend; 3] = [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite];

/// Runs on the smallest stack that SeaORM's users run on.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(test)
        .unwrap();
    thread.join().unwrap();
}

fn chain(head: &str, link: &str, upto: usize) -> String {
    let mut text = head.to_owned();
    while text.len() + link.len() < upto {
        text.push_str(link);
    }
    text
}

#[test]
fn a_chain_just_under_the_limit_is_judged_on_a_small_stack() {
    on_a_small_stack(|| {
        for backend in BACKENDS {
            let text = chain("SELECT 1 FROM t WHERE a = 0", " OR a = 1", 64 * 1024);
            assert_eq!(
                classify(backend, &text).intent(),
                Intent::Read,
                "{backend:?}"
            );
            let text =
                chain("SELECT 1 FROM t WHERE a = 0", " OR a = 1", 64 * 1024 - 30) + " OR nosuch(a)";
            assert_eq!(
                classify(backend, &text).reason(),
                Reason::UnknownFunction,
                "{backend:?}"
            );
        }
    });
}

#[test]
fn a_list_of_as_many_parameters_as_a_statement_may_have_is_a_read() {
    on_a_small_stack(|| {
        for backend in BACKENDS {
            let list: Vec<String> = (1..=65_535).map(|n| format!("${n}")).collect();
            let text = format!("SELECT a FROM t WHERE a IN ({})", list.join(", "));
            assert_eq!(classify(backend, &text).intent(), Intent::Read);
            let text = text.replace("$65535", "nosuch($65535)");
            assert_eq!(classify(backend, &text).intent(), Intent::Primary);
        }
    });
}

/// Every shape that makes a level of the tree out of few bytes.
#[test]
fn deep_trees_are_judged_and_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        for (head, link) in [
            ("SELECT 1", "+1"),
            ("SELECT '{}'::int", "[]"),
            ("SELECT 1", "::int"),
            ("SELECT a", "[1]"),
            ("SELECT 1", " UNION SELECT 1"),
            ("SELECT ", "("),
            ("SELECT ", "- "),
            ("SELECT ", "NOT "),
            ("SELECT 1 FROM ", "("),
            ("SELECT ", "CASE "),
            ("SELECT ", "f("),
            ("SELECT * FROM t", " JOIN t USING (a)"),
            ("SELECT a", " IS NULL"),
            ("SELECT a", " COLLATE x"),
            ("SELECT a", " AT TIME ZONE 'x'"),
            ("EXPLAIN ", "EXPLAIN "),
            ("", "EXPLAIN ANALYZE "),
            ("", "EXPLAIN (ANALYZE) "),
            ("", "ANALYZE "),
            ("COPY ", "(COPY "),
            ("", "("),
            ("/*", "/*"),
            ("", ";"),
            ("SELECT 1", ";SELECT 1"),
        ] {
            for backend in BACKENDS {
                let _ = classify(backend, &chain(head, link, 64 * 1024 - 1));
            }
        }
    });
}

#[test]
fn above_the_limit_nothing_is_parsed() {
    on_a_small_stack(|| {
        for backend in BACKENDS {
            let text = chain("SELECT 1 FROM t WHERE a = 0", " OR a = 1", 2 * 1024 * 1024);
            let verdict = classify(backend, &text);
            assert_eq!(verdict.intent(), Intent::Primary);
            assert_eq!(verdict.reason(), Reason::TooLong);
        }
    });
    // A keyword that decides is read all the same.
    let text = chain("INSERT INTO t VALUES (1)", ",(1)", 2 * 1024 * 1024);
    assert_eq!(classify(DbBackend::Postgres, &text).reason(), Reason::Write);
}

fn classifier(settings: Settings) -> Classifier {
    Classifier::new(DbBackend::Postgres, settings, Knowledge::Trusted)
}

#[test]
fn a_text_is_judged_once_while_it_fits() {
    let classifier = classifier(Settings::default());
    let short = "SELECT 1";
    let long = chain("SELECT 1 FROM t WHERE a = 0", " OR a = 1", 17 * 1024);
    for _ in 0..3 {
        assert_eq!(classifier.verdict(short).intent, Intent::Read);
    }
    assert_eq!(classifier.misses(), 1);
    for _ in 0..3 {
        assert_eq!(classifier.verdict(&long).intent, Intent::Read);
    }
    assert_eq!(classifier.misses(), 2, "above 16 KiB by its digest");
    assert_eq!(
        classifier.verdict("INSERT INTO t VALUES (1)").intent,
        Intent::Write
    );
    assert_eq!(
        classifier.misses(),
        2,
        "a keyword that decides needs no cache"
    );
}

#[test]
fn the_limits_are_the_users() {
    let classifier = classifier(Settings::default().max_statement(20).cached_statement(10));
    assert_eq!(
        classifier.verdict("SELECT 1, 2, 3, 4, 5, 6").reason,
        Reason::TooLong
    );
    for _ in 0..2 {
        assert_eq!(classifier.verdict("SELECT 1, 2").intent, Intent::Read);
    }
    assert_eq!(classifier.misses(), 2);
    // Whoever wants longer texts judged gets that: nothing but time grows with them.
    let greedy = self::classifier(Settings::default().max_statement(usize::MAX));
    on_a_small_stack(move || {
        let text = chain("SELECT 1 FROM t WHERE a = 0", " OR a = 1", 2 * 1024 * 1024);
        assert_eq!(greedy.verdict(&text).reason, Reason::Replica);
    });
}

/// The bound holds, and a text in use survives the turn of the halves.
#[test]
fn the_cache_keeps_its_bound_and_what_is_in_use() {
    let classifier = classifier(Settings::default().cache_bytes(64 * 1024));
    let hot = "SELECT v FROM jobs WHERE id = $1";
    classifier.verdict(hot);
    for n in 0..5_000 {
        classifier.verdict(&format!("SELECT {n}"));
        if n % 50 == 0 {
            classifier.verdict(hot);
        }
    }
    assert_eq!(classifier.misses(), 5_001, "the hot text was judged once");
    assert!(
        classifier.held_bytes() <= 64 * 1024,
        "{}",
        classifier.held_bytes()
    );
}

#[test]
fn a_budget_of_nothing_still_judges() {
    let classifier = classifier(Settings::default().cache_bytes(0));
    assert_eq!(classifier.verdict("SELECT 1").intent, Intent::Read);
    assert_eq!(
        classifier.verdict("SELECT nextval('s')").intent,
        Intent::Write
    );
    assert_eq!(classifier.held_bytes(), 0);
}

/// I6: a corrected text stays a write, whatever is learnt later.
#[test]
fn a_corrected_text_is_a_write_from_then_on() {
    let classifier = classifier(Settings::default());
    for text in ["SELECT 1".to_owned(), chain("SELECT 1", "+1", 20 * 1024)] {
        assert_eq!(classifier.verdict(&text).intent, Intent::Read);
        classifier.correct(&text);
        assert_eq!(classifier.verdict(&text).intent, Intent::Write);
        classifier.learn(Knowledge::Trusted);
        assert_eq!(classifier.verdict(&text).intent, Intent::Write);
        assert_eq!(classifier.explain(&text).part(), "refused by a replica");
    }
    assert_eq!(classifier.verdict("SELECT 2").intent, Intent::Read);
}

#[test]
fn a_hit_allocates_nothing() {
    let classifier = classifier(Settings::default());
    let texts = [
        "SELECT v FROM jobs WHERE id = $1",
        "INSERT INTO jobs VALUES ($1)",
    ];
    for text in texts {
        classifier.verdict(text);
    }
    let counted = allocation_counter::measure(|| {
        for text in texts {
            std::hint::black_box(classifier.verdict(text));
        }
    });
    assert_eq!(counted.count_total, 0);
}
