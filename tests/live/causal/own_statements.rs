//! What the handle asks by itself, against what the application does.

use std::time::{Duration, Instant};

use sealane::Reason;

use super::{COUNT, SLOT, connect, insert, reason};
use crate::{fixture::number, heard::counter, place::until};

const TASKS: i64 = 8;
const STATEMENTS: i64 = 750;

/// Questions that were sent for positions.
async fn own(db: &sealane::RoutedConnection) -> u64 {
    counter(db, "sealane_captures_total").await + counter(db, "sealane_samples_total").await
}

/// Reads that a replica served because it was known to have what they had to see.
async fn covered(db: &sealane::RoutedConnection) -> u64 {
    counter(db, "sealane_covered_reads_total").await
}

/// C5: a twentieth of the application's statements, a question for each read that was covered, fifty a second, and what was
/// saved up.
#[tokio::test]
async fn a_mixed_load_is_asked_for_within_the_allowance() {
    let place = SLOT.alone("own_statements").await;
    let db = connect(&place).await;
    let (before, before_covered, begun) = (own(&db).await, covered(&db).await, Instant::now());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0..STATEMENTS {
                    match n % 10 {
                        0 => insert(&db, task).await,
                        _ => drop(number(&db, "SELECT 1::bigint").await),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (asked, took) = (own(&db).await - before, begun.elapsed());
    let statements = (TASKS * STATEMENTS) as u64;
    let won = (covered(&db).await - before_covered).min(statements / 4);
    let allowed = 100 + statements / 20 + won + 50 * (took.as_secs() + 1);
    assert!(
        (1..=allowed).contains(&asked),
        "{asked} for {statements} statements and {won} covered reads in {took:?}, {allowed} allowed"
    );

    // What there was nothing left for is made up for.
    until("the last write to be known on a replica", async || {
        reason(&db) == Reason::Replica
    })
    .await;
    let before = covered(&db).await;
    assert_eq!(number(&db, COUNT).await, TASKS * STATEMENTS / 10);
    assert_eq!(
        covered(&db).await,
        before + 1,
        "it was served for what is known"
    );
}

/// C5: a replica that stands still is asked ever more seldom, however many read.
#[tokio::test]
async fn a_replica_that_stands_still_is_asked_seldom() {
    let place = SLOT.alone("own_standing").await;
    let db = connect(&place).await;
    let frozen = place.freeze_replay();
    insert(&db, 1).await;
    let (before, begun) = (own(&db).await, Instant::now());
    while begun.elapsed() < Duration::from_secs(1) {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    let (asked, took) = (own(&db).await - before, begun.elapsed());
    // Of two replicas, each by a quarter of the time that it has been behind, and none of this is earned by reads.
    let allowed = 80 + 10 * took.as_secs();
    assert!(asked <= allowed, "{asked} in {took:?}");
    drop(frozen);
    place.caught_up();
}
