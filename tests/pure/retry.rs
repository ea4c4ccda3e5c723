//! The table of retries, driven by `retry/*.jsonl` (R5, T9, I6).

use proptest::prelude::*;

use super::words::{role, rows, signal, stage, str_of};
use crate::route::retry::{Crash, Failure, RetryTo, RetryVerdict, SentKind, outcome, verdict};
use crate::route::safety::corrects;
use crate::signal::Signal;
use crate::state::{Fate, Ran, TextHash};
use crate::vocabulary::{Outcome, Role, Stage};

const KINDS: &[(&str, SentKind)] = &[
    ("read", SentKind::Read),
    ("plain", SentKind::Plain),
    ("opaque", SentKind::Opaque),
    ("begin", SentKind::Begin { read_only: false }),
    ("begin_read_only", SentKind::Begin { read_only: true }),
    ("commit", SentKind::Commit),
];

fn text(verdict: RetryVerdict) -> String {
    match verdict {
        RetryVerdict::Retry(RetryTo::Elsewhere) => "again elsewhere".to_owned(),
        RetryVerdict::Retry(RetryTo::NewSnapshot) => "again new_snapshot".to_owned(),
        RetryVerdict::Retry(RetryTo::SameNode) => "again same_node".to_owned(),
        RetryVerdict::Retry(RetryTo::AfterProbe) => "again after_probe".to_owned(),
        RetryVerdict::Retry(RetryTo::Primary) => "again primary".to_owned(),
        RetryVerdict::Retry(RetryTo::Renewed) => "again renewed".to_owned(),
        RetryVerdict::Give(outcome) => format!("give {outcome}"),
    }
}

#[test]
fn every_row_of_the_table_of_retries_holds() {
    let table = rows("retry/table", include_str!("retry/table.jsonl"));
    for row in &table {
        let kind = str_of(row, "kind");
        let failure = Failure {
            kind: KINDS
                .iter()
                .find(|(word, _)| *word == kind)
                .expect("a kind")
                .1,
            stage: stage(row["stage"].as_str().unwrap_or("send")),
            signal: signal(str_of(row, "signal")),
            role: role(row["role"].as_str().unwrap_or(if kind == "read" {
                "replica"
            } else {
                "primary"
            })),
            in_transaction: row["tx"] == true,
            correctable: row["correctable"] == true,
            retries: u8::try_from(row["retries"].as_u64().unwrap_or(0)).unwrap(),
            renewed: u8::try_from(row["renewed"].as_u64().unwrap_or(0)).unwrap(),
            crash: match row["crash"].as_str() {
                None => Crash::No,
                Some("suspected") => Crash::Suspected,
                Some("bystander") => Crash::Bystander,
                Some("bystander_again") => Crash::BystanderAgain,
                Some(other) => panic!("no crash `{other}`"),
            },
        };
        assert_eq!(text(verdict(&failure)), str_of(row, "expect"), "{row}");
    }
    println!("{} rows", table.len());
}

#[test]
fn a_verdict_is_corrected_only_on_proof() {
    // I6: the run on the primary succeeded, or the code was 25006.
    assert!(corrects(Signal::RefusedAsWrite { certain: true }, false));
    assert!(corrects(Signal::RefusedAsWrite { certain: false }, true));
    assert!(!corrects(Signal::RefusedAsWrite { certain: false }, false));
    for signal in Signal::ALL {
        let refusal = matches!(signal, Signal::RefusedAsWrite { .. });
        assert!(refusal || !corrects(*signal, true), "{signal}");
    }
}

#[test]
fn a_closed_pool_and_a_misroute_cost_nothing() {
    assert!(!RetryTo::NewSnapshot.costs(Signal::PoolClosed));
    assert!(!RetryTo::Renewed.costs(Signal::Outdated));
    assert!(!RetryTo::Primary.costs(Signal::RefusedAsWrite { certain: true }));
    assert!(RetryTo::Elsewhere.costs(Signal::Disconnected));
    assert!(RetryTo::SameNode.costs(Signal::SessionEnded));
}

fn failures() -> impl Strategy<Value = Failure> {
    let kinds = 0..KINDS.len();
    let signals = 0..Signal::ALL.len();
    (
        kinds,
        0..Stage::ALL.len(),
        signals,
        0..Role::ALL.len(),
        any::<(bool, bool)>(),
        (0..5_u8, 0..5_u8),
    )
        .prop_map(
            |(kind, stage, signal, role, (in_transaction, correctable), (retries, renewed))| {
                Failure {
                    kind: KINDS[kind].1,
                    stage: Stage::ALL[stage],
                    signal: Signal::ALL[signal],
                    role: Role::ALL[role],
                    in_transaction,
                    correctable,
                    retries,
                    renewed,
                    crash: Crash::No,
                }
            },
        )
}

/// R5: what nobody could tell in time may be a crash, so that a read gets one more server and then an error.
#[test]
fn a_crash_that_nobody_could_tell_of_in_time_is_taken_for_one_beside_it() {
    let ran = Ran::Read(TextHash(7));
    let of = |fate, before| Crash::of(fate, ran, before);
    assert_eq!(
        (of(Fate::Open, false), of(Fate::Open, true)),
        (Crash::Bystander, Crash::BystanderAgain)
    );
    assert_eq!(
        (of(Fate::Other, false), of(Fate::Other, true)),
        (Crash::No, Crash::No)
    );
    assert_eq!(of(Fate::Crashed(ran), false), Crash::Suspected);
    assert_eq!(of(Fate::Crashed(Ran::Other), false), Crash::Bystander);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4_000, ..ProptestConfig::default() })]

    /// Promise 3.
    #[test]
    fn never_a_write_twice(failure in failures()) {
        let write = matches!(failure.kind, SentKind::Plain | SentKind::Opaque | SentKind::Commit);
        if let (true, RetryVerdict::Retry(_)) = (write, verdict(&failure)) {
            prop_assert_eq!(outcome(&failure), Outcome::NotExecuted);
        }
    }

    /// R5.
    #[test]
    fn transactions_and_commits_never_move(failure in failures()) {
        let fixed = failure.in_transaction
            || failure.stage == Stage::Commit
            || failure.kind == SentKind::Commit && failure.stage == Stage::Send;
        if fixed {
            prop_assert!(matches!(verdict(&failure), RetryVerdict::Give(_)));
        }
    }

    /// R5: whoever follows the verdicts comes to an end.
    #[test]
    fn after_three_repeats_only_what_is_free_is_repeated(failure in failures()) {
        if let (true, RetryVerdict::Retry(again)) = (failure.retries >= 3, verdict(&failure)) {
            prop_assert!(!again.costs(failure.signal));
        }
    }

    /// R5: what a schema change put out of date is repeated so often, whatever else was.
    #[test]
    fn what_was_prepared_is_renewed_three_times_at_the_most(failure in failures()) {
        if let RetryVerdict::Retry(RetryTo::Renewed) = verdict(&failure) {
            prop_assert!(failure.renewed < 3 && failure.signal == Signal::Outdated);
        }
    }

    /// T9.
    #[test]
    fn nothing_was_executed_before_anything_was_sent(failure in failures()) {
        if matches!(failure.stage, Stage::Route | Stage::Acquire) {
            prop_assert_eq!(outcome(&failure), Outcome::NotExecuted);
        }
    }

    /// I6: the primary is asked only for what a replica refused as a write.
    #[test]
    fn only_a_refusal_by_a_replica_goes_to_the_primary(failure in failures()) {
        if verdict(&failure) == RetryVerdict::Retry(RetryTo::Primary) {
            let refused = matches!(failure.signal, Signal::RefusedAsWrite { .. });
            let begin = failure.kind == SentKind::Begin { read_only: true };
            prop_assert!(refused && (failure.correctable || begin));
            prop_assert!(failure.role != Role::Primary && !failure.in_transaction);
        }
    }
}
