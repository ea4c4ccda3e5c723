//! Counting: exact over threads, one cell a word, nothing allocated.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::metrics::{
    Buckets, ClusterCounter, ClusterMetrics, Counted, Histogram, NodeCounter, NodeMetrics, Padded,
    StatementCounters, shard, shards, statement_at,
};
use crate::vocabulary::{Intent, Reason, RetryCause, Role};

fn combinations() -> impl Iterator<Item = (Role, Intent, Reason)> {
    Role::ALL.iter().flat_map(|role| {
        Intent::ALL.iter().flat_map(move |intent| {
            Reason::ALL
                .iter()
                .map(move |reason| (*role, *intent, *reason))
        })
    })
}

#[test]
fn every_combination_has_its_own_counter() {
    let counters = StatementCounters::default();
    for (n, (role, intent, reason)) in combinations().enumerate() {
        (0..=n).for_each(|_| counters.record(role, intent, reason));
    }
    let mut sums = std::array::from_fn(|_| 0);
    counters.sum_into(&mut sums);
    for (n, words) in combinations().enumerate() {
        assert_eq!(statement_at(n), words);
        assert_eq!(sums[n], n as u64 + 1, "{words:?}");
    }
}

#[test]
fn the_index_of_a_word_is_its_place() {
    fn check<W: Counted + PartialEq + std::fmt::Debug>() {
        for (index, word) in W::ALL.iter().enumerate() {
            assert_eq!(word.index(), index, "{word:?}");
        }
    }
    check::<NodeCounter>();
    check::<ClusterCounter>();
    check::<RetryCause>();
}

#[test]
fn threads_lose_no_count() {
    const THREADS: usize = 8;
    const EACH: u64 = 20_000;
    let (node, cluster) = (NodeMetrics::default(), ClusterMetrics::default());
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..EACH {
                    let entered = node.enter();
                    node.statement(Role::Replica, Intent::Read, Reason::Replica);
                    node.ran(Duration::from_micros(20));
                    node.acquired(Duration::from_micros(2));
                    cluster.count(ClusterCounter::CacheHit);
                    node.leave(entered);
                }
                node.count(NodeCounter::Ejection);
                node.retry(RetryCause::Lost);
            });
        }
    });
    let (totals, all) = (node.totals(), THREADS as u64 * EACH);
    assert_eq!(totals.statements(), all);
    assert_eq!(totals.running().count(), all);
    assert_eq!(totals.acquiring().count(), all);
    assert_eq!(totals.counted(NodeCounter::Ejection), THREADS as u64);
    assert_eq!(totals.retries(RetryCause::Lost), THREADS as u64);
    assert_eq!(cluster.totals()[ClusterCounter::CacheHit.index()], all);
    assert_eq!(node.in_flight(), 0);
}

#[test]
fn threads_that_meet_in_one_cell_lose_no_count() {
    // Enough for the threads to be on two cores at once for a while, also on a busy machine.
    const EACH: u64 = 1_000_000;
    const THREADS: usize = 4;
    let (statements, durations) = (StatementCounters::default(), Histogram::default());
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..EACH {
                    statements.record(Role::Replica, Intent::Read, Reason::Replica);
                    durations.record(Duration::from_micros(20));
                }
            });
        }
    });
    let (mut sums, mut buckets) = (std::array::from_fn(|_| 0), Buckets::default());
    statements.sum_into(&mut sums);
    durations.sum_into(&mut buckets);
    assert_eq!(sums.iter().sum::<u64>(), THREADS as u64 * EACH);
    assert_eq!(buckets.count(), THREADS as u64 * EACH);
}

#[test]
fn what_entered_on_one_thread_leaves_from_there_on_another() {
    let node = NodeMetrics::default();
    let here = node.in_flight_here();
    let entered: Vec<_> = (0..3).map(|_| node.enter()).collect();
    assert_eq!((node.in_flight(), node.in_flight_here()), (3, here + 3));
    thread::scope(|scope| {
        scope.spawn(|| {
            node.leave(entered[0]);
            let mine = node.enter();
            assert_eq!(node.in_flight(), 3);
            node.leave(mine);
        });
    });
    assert_eq!((node.in_flight(), node.in_flight_here()), (2, here + 2));
}

#[test]
fn threads_that_start_together_write_to_different_lines() {
    assert!(shards().is_power_of_two() && shards() <= 16);
    assert_eq!(shard(), shard(), "a thread keeps its shard");

    // Other tests take numbers too, so neighbours are not certain at one try; never would be the error.
    let together = || {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let threads = [(); 2].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    shard()
                })
            });
            threads
                .map(|thread| thread.join().unwrap())
                .into_iter()
                .collect::<HashSet<_>>()
                .len()
        })
    };
    assert!(shards() == 1 || (0..50).any(|_| together() == 2));

    let pair = [Padded(0_u8), Padded(0_u8)];
    let [a, b] = pair
        .each_ref()
        .map(|padded| std::ptr::from_ref(&padded.0).addr());
    assert!(a.abs_diff(b) >= 128 && a.is_multiple_of(128));
}

#[test]
fn recording_allocates_nothing() {
    let (node, cluster) = (NodeMetrics::default(), ClusterMetrics::default());
    let everything = || {
        let entered = node.enter();
        node.statement(Role::Primary, Intent::Write, Reason::Write);
        node.acquired(Duration::from_nanos(300));
        node.ran(Duration::from_millis(3));
        node.count(NodeCounter::ConnectionError);
        node.retry(RetryCause::Connect);
        cluster.count(ClusterCounter::CacheMiss);
        node.leave(entered);
        assert!(node.in_flight_here() < 1_000);
    };
    // Also the first time on a thread, when it takes its number.
    thread::scope(|scope| {
        let allocations = scope
            .spawn(|| allocation_counter::measure(everything))
            .join()
            .unwrap();
        assert_eq!(allocations.count_total, 0);
    });
}
