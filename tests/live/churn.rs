//! Churn: lists that are swapped, servers that are killed, frozen and replaced, names that move, passwords that change,
//! handles that come and go, under a load. What the process holds has not grown at the end: tasks, sockets, files and
//! threads by count, memory within a slack.
//!
//! The client is a process of its own, since what a process holds is counted and other tests run in this one. It is
//! counted when its load has ended and its cluster is whole, after rounds that warm it up, then after each stage.
//! `SEALANETEST_SEED` repeats a run's choices. The long form, some forty rounds of eleven disturbances, takes five to ten
//! minutes; the short one has a round to be warm and one to be compared, in which memory tells nothing.
//! With one task that is left behind for each pool that a swap closes, a single round finds 66 more.

mod child;
mod client;
mod counts;
mod disturber;
mod load;

use std::time::Instant;

use fastrand::Rng;
use sealane_harness::long_form;

use self::{child::Child, counts::Counts, disturber::Disturber};

/// By how much the memory of the last stage may exceed that of the first. An allocator keeps pages, and each connection
/// has buffers as large as what it has last received: a tenth to half a MiB of difference was seen.
const SLACK_KIB: u64 = 3 * 1024;

/// How many rounds: those before the first count, and those of each stage.
const LONG: (usize, &[usize]) = (2, &[12; 3]);
const SHORT: (usize, &[usize]) = (1, &[1]);

#[test]
fn what_a_process_holds_is_flat_under_churn() {
    let (warm_up, stages) = match long_form() {
        true => LONG,
        false => SHORT,
    };
    let seed = crate::history::seed();
    let mut disturber = Disturber::new(Rng::with_seed(seed));
    let mut child = Child::start(&disturber.client());
    for _ in 0..warm_up {
        disturber.round(&mut child);
    }
    let before = rest(&mut disturber, &mut child, None);
    println!("warm: {before}");
    let mut all = Vec::new();
    for &rounds in stages {
        let begun = Instant::now();
        for _ in 0..rounds {
            disturber.round(&mut child);
        }
        let counts = rest(&mut disturber, &mut child, Some(&before));
        println!("{rounds} rounds, {:?}: {counts}", begun.elapsed());
        all.push(counts);
    }
    println!("{}", disturber.done());
    let (first, last) = (&all[0], &all[all.len() - 1]);
    assert!(
        last.memory_kib <= first.memory_kib + SLACK_KIB,
        "memory grows: {first}, then {last}"
    );
    child.end();
}

/// Counts the client once its load has ended and all servers are as at the start; where there is something to compare
/// with, once it has not grown, at the latest at a deadline.
fn rest(disturber: &mut Disturber, child: &mut Child, wanted: Option<&Counts>) -> Counts {
    disturber.heal();
    let counts = child.counts(wanted);
    if let Some(wanted) = wanted {
        assert!(counts.is_flat(wanted), "{wanted}, then {counts}");
    }
    counts
}
