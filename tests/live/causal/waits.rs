//! `SEALANE_ON_STALE`: what a read does that no replica is fresh enough for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use sealane::{Error, OnStale, Reason};

use super::{COUNT, SLOT, connect, insert, reason};
use crate::{
    fixture::{number, sql},
    heard::{Heard, counter},
    place::until,
};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_wait_ends_as_soon_as_one_replica_is_there() {
    let place = SLOT.alone("wait_ends").await;
    let db = connect(&place).await;
    let patient = db.with_on_stale(OnStale::Wait).with_stale_wait(LONG);
    for n in 1..=10 {
        let frozen = place.freeze_replay();
        insert(&patient, n).await;
        let (heard, _guard) = Heard::listen();
        let reading = number(&patient, COUNT);
        let thawing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            place.standby(1).resume_replay().unwrap();
        };
        let begun = Instant::now();
        let (rows, ()) = tokio::join!(reading, thawing);
        assert_eq!(rows, n);
        assert!(begun.elapsed() < LONG / 2);
        let decisions = heard.decisions();
        assert_eq!(decisions.len(), 1, "{decisions:?}");
        assert_eq!(
            (&*decisions[0].node, &*decisions[0].reason),
            ("two", "replica")
        );
        drop(frozen);
        place.caught_up();
    }
}

#[tokio::test]
async fn a_wait_that_is_too_short_ends_on_the_primary_or_in_an_error() {
    let place = SLOT.alone("wait_short").await;
    let db = connect(&place)
        .await
        .with_stale_wait(Duration::from_millis(30));
    let _frozen = place.freeze_replay();
    insert(&db, 1).await;
    let begun = Instant::now();
    assert_eq!(number(&db.with_on_stale(OnStale::Wait), COUNT).await, 1);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let strict = db.with_on_stale(OnStale::Error);
    let err = strict.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, Error::NotCaughtUp { .. }), "{err}");
    assert!(
        ours.is_retriable() && err.to_string().contains("`one`, `two`"),
        "{err}"
    );
    assert_eq!(reason(&db), Reason::NotCaughtUp);
}

/// C5: what is written later does not prolong it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_writes_do_not_prolong_a_wait() {
    let place = SLOT.alone("wait_later").await;
    let db = connect(&place).await;
    place.standby(1).pause_replay().unwrap();
    // Every commit is shown a good while after it was made, so there is always one that is not.
    place
        .standby(0)
        .apply_delay(Duration::from_millis(150))
        .unwrap();
    let written = Arc::new(AtomicI64::new(0));
    let writing = tokio::spawn({
        let (db, written) = (db.clone(), Arc::clone(&written));
        async move {
            loop {
                insert(&db, 1).await;
                written.fetch_add(1, Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let strict = db.with_on_stale(OnStale::Error).with_stale_wait(LONG);
    for _ in 0..5 {
        // What has returned by now: the primary may show one that has not.
        let before = written.load(Relaxed);
        assert!(number(&strict, COUNT).await >= before);
    }
    writing.abort();
    place.standby(0).apply_delay(Duration::ZERO).unwrap();
    place.standby(1).resume_replay().unwrap();
    place.caught_up();
}

/// Without a question after each capture, nobody asks a replica before a read wants it, but for once a second.
#[tokio::test]
async fn a_write_is_known_on_a_replica_although_nobody_has_read_since() {
    let place = SLOT.alone("first_read").await;
    let db = connect(&place).await;
    number(&db, COUNT).await;
    let rounds = async {
        for n in 1..=100 {
            insert(&db, n).await;
            until("the replica to be known to have it", async || {
                // Only tells where one would go.
                reason(&db) == Reason::Replica
            })
            .await;
            assert_eq!(number(&db, COUNT).await, n);
        }
    };
    tokio::time::timeout(Duration::from_secs(40), rounds)
        .await
        .expect("each write to be known long before a replica is asked anyway");
}

#[tokio::test]
async fn reads_stop_waiting_where_waits_take_their_part_of_the_time_and_wait_again_later() {
    let place = SLOT.alone("wait_pays").await;
    let db = connect(&place).await;
    let patient = db
        .with_on_stale(OnStale::Wait)
        .with_stale_wait(Duration::from_millis(20));
    let waits = async || counter(&db, "sealane_stale_waits_total").await;
    let frozen = place.freeze_replay();
    insert(&patient, 1).await;
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(number(&patient, COUNT).await, 1);
    }
    // Two at once, and one for each second: fifty times as long as it waits.
    let (in_vain, most) = (waits().await, 4 + begun.elapsed().as_secs());
    assert!(
        (1..=most).contains(&in_vain),
        "{in_vain} of 200 reads waited"
    );

    drop(frozen);
    place.caught_up();
    let mut n = 1;
    until("a read to wait again", async || {
        n += 1;
        insert(&patient, n).await;
        let before = waits().await;
        assert_eq!(number(&patient, COUNT).await, n);
        waits().await > before
    })
    .await;
}
