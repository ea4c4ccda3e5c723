//! Each broken rule is noticed (see `src/mutants.rs`): the checker's run in a process where it is broken has to fail for
//! a read that missed something.

use std::process::Command;

const CHECKER: &str =
    "history::no_session_misses_what_it_must_see_whatever_happens_to_the_standbys";
const DIVERGED: &str =
    "causal::promoted::a_standby_that_went_another_way_proves_nothing_however_far_it_is";

const LIVES: &str =
    "causal::restarts::a_standby_in_a_new_life_is_not_believed_what_the_old_one_had";

const LOST: &str =
    "causal::followed::a_write_that_was_lost_is_over_when_its_backend_is_gone_and_not_before";

const BEFORE: &str = "causal::monotonic::a_read_is_not_covered_by_what_was_known_before_it";

const STORM: &str = "storm::under_storms_nothing_is_lost_written_twice_or_read_stale";

const BALANCED: &str =
    "identity::balanced::a_balancer_in_front_of_a_standby_that_is_behind_makes_no_read_stale";

const ENDPOINT: &str =
    "reader_endpoint::no_read_is_stale_while_servers_behind_the_address_lag_come_and_go";

const CRASHED: &str = "reader_endpoint::crash::standbys_behind_the_address_are_not_believed_what_they_had_before_their_crash";

const MOVED: &str =
    "identity::moved::a_name_that_moves_to_a_promoted_standby_takes_every_connection_with_it";

const OPEN: &str = "failover::open_work::nothing_of_an_open_transaction_is_stored_on_a_primary_that_was_fenced_meanwhile";

const WOKEN: &str =
    "idle::a_primary_that_was_promoted_meanwhile_gets_the_first_write_and_the_old_one_none";

/// Each mutant, the kinds of sessions that run, and the test that has to notice.
const MUTANTS: [(&str, &str, &str); 16] = [
    ("writes_again", "", STORM),
    ("class_decides", "", STORM),
    ("flush_position", "Explicit", CHECKER),
    ("position_before_commit", "Explicit", CHECKER),
    ("check_inside_read", "Explicit", CHECKER),
    ("capture_covers_later_ticks", "Explicit", CHECKER),
    ("tick_without_epoch", "", DIVERGED),
    ("unresolved_write_over_by_time", "", LOST),
    ("position_kept_over_crash", "", LIVES),
    ("monotonic_before_read", "", BEFORE),
    ("balanced_name_as_one_server", "", BALANCED),
    ("position_of_another_server", "", ENDPOINT),
    ("server_keeps_greatest_position", "", CRASHED),
    ("moved_name_unnoticed", "", MOVED),
    ("work_before_cut", "", OPEN),
    ("woken_without_asking", "", WOKEN),
];

/// How often a run is repeated before a mutant counts as missed: each is a race or a rare crash.
const RUNS: usize = 30;

fn run(mutant: &str, kinds: &str, test: &str) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SEALANETEST_MUTANT", mutant)
        .env("SEALANETEST_KINDS", kinds)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn every_mutant_is_caught() {
    let (sound, said) = run("none", "Explicit,Monotonic", CHECKER);
    assert!(sound && said.contains("1 passed"), "{said}");
    let mut missed = Vec::new();
    for (mutant, kinds, test) in MUTANTS {
        let mut otherwise = None;
        let caught = (1..=RUNS).find(|_| {
            let (sound, said) = run(mutant, kinds, test);
            // For what it missed, and for nothing else: on a busy machine a storm may be short of something.
            let noticed = ["==", "!="]
                .iter()
                .any(|sign| said.contains(&format!("assertion `left {sign} right` failed")));
            if !sound && !noticed {
                otherwise = Some(said);
            }
            !sound && noticed
        });
        match caught {
            Some(run) => println!("{mutant}: caught in run {run}"),
            None => missed.push((mutant, otherwise)),
        }
    }
    for (mutant, otherwise) in &missed {
        println!(
            "{mutant} was not caught in {RUNS} runs{}",
            otherwise.as_ref().map_or_else(String::new, |said| format!(
                "; one failed otherwise: {said}"
            ))
        );
    }
    assert!(missed.is_empty(), "{} were not caught", missed.len());
}
