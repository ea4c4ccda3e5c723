//! `monotonic`: what a read has seen, no later one misses (rule C9).

use std::collections::BTreeSet;

use sea_orm::{AccessMode, TransactionTrait};
use sealane::{Consistency, Reason};

use super::{COUNT, SLOT, connect, connect_with, reason};
use crate::{fixture::number, heard::Heard, place::until};

#[tokio::test]
async fn reads_never_go_back_whichever_node_serves_them() {
    let place = SLOT.alone("monotonic_back").await;
    let db = connect(&place).await;
    let eventual = db.with_consistency(Consistency::Eventual);
    place.standby(1).pause_replay().unwrap();
    place.on(place.primary(), "INSERT INTO t VALUES (1)");
    place
        .standby(0)
        .wait_caught_up_with(place.primary())
        .unwrap();
    let mut seen = BTreeSet::new();
    until("both standbys", async || {
        seen.insert(number(&eventual, COUNT).await);
        seen.len() == 2
    })
    .await;

    for first in [0, 1] {
        // A session whose first read meets this standby.
        let mut session = db.empty_session().with_consistency(Consistency::Monotonic);
        until("the first read", async || {
            session = db.empty_session().with_consistency(Consistency::Monotonic);
            number(&session, COUNT).await == first
        })
        .await;
        let mut last = first;
        for _ in 0..50 {
            let now = number(&session, COUNT).await;
            assert!(now >= last, "{last} and then {now}");
            last = now;
        }
    }

    // The primary counts as well.
    let session = db.empty_session().with_consistency(Consistency::Monotonic);
    assert_eq!(number(&session.primary(), COUNT).await, 1);
    for _ in 0..20 {
        assert_eq!(number(&session, COUNT).await, 1);
    }
    place.standby(1).resume_replay().unwrap();
    place.caught_up();
}

#[tokio::test]
async fn reads_stay_on_replicas_and_move_between_them_when_those_are_known_to_be_as_far() {
    let place = SLOT.alone("monotonic_moves").await;
    let db = connect(&place).await.empty_session();
    let db = db.with_consistency(Consistency::Monotonic);
    let (heard, _guard) = Heard::listen();
    let mut nodes = BTreeSet::new();
    until("both standbys", async || {
        number(&db, COUNT).await;
        nodes.extend(heard.decisions().into_iter().map(|one| one.node));
        nodes.contains("one") && nodes.contains("two")
    })
    .await;
    assert_eq!(reason(&db), Reason::Replica);
}

/// What a standby said before a read says nothing of what that read saw there, however short before: with both standbys
/// known to have come equally far, one goes on and the other stops, and the first read after that meets the one.
#[tokio::test]
async fn a_read_is_not_covered_by_what_was_known_before_it() {
    let place = SLOT.alone("monotonic_before").await;
    let db = connect(&place).await;
    let fresh = || db.empty_session().with_consistency(Consistency::Monotonic);
    let (heard, _guard) = Heard::listen();
    for last in 0..5 {
        place.standby(1).resume_replay().unwrap();
        place.caught_up();
        let (known, mut nodes) = (fresh(), BTreeSet::new());
        until("both to be known to be as far", async || {
            assert_eq!(number(&known, COUNT).await, last);
            nodes.extend(heard.decisions().into_iter().map(|one| one.node));
            nodes.contains("one") && nodes.contains("two")
        })
        .await;
        place.standby(1).pause_replay().unwrap();
        place.on(place.primary(), "INSERT INTO t VALUES (1)");
        place
            .standby(0)
            .wait_caught_up_with(place.primary())
            .unwrap();
        let mut session = fresh();
        until("a session that has seen it", async || {
            session = fresh();
            number(&session, COUNT).await > last
        })
        .await;
        for _ in 0..5 {
            assert_eq!(number(&session, COUNT).await, last + 1);
        }
    }
    place.standby(1).resume_replay().unwrap();
    place.caught_up();
}

/// A read that stands in line where its session's last one was is told meanwhile how far that one had seen: it may go
/// elsewhere then, but only where that is.
#[tokio::test]
async fn a_read_that_waits_for_a_connection_does_not_go_back_elsewhere() {
    let place = SLOT.alone("monotonic_waits").await;
    let db = connect_with(&place, |builder| builder.replica_max_connections(1)).await;
    place.standby(1).pause_replay().unwrap();
    place.on(place.primary(), "INSERT INTO t VALUES (1)");
    place
        .standby(0)
        .wait_caught_up_with(place.primary())
        .unwrap();
    for primary_too in [false, true, false, true] {
        // The only connection there is, and stays, taken.
        let (mut session, mut taken) = (db.empty_session(), None);
        until("the standby that has it", async || {
            session = db.empty_session().with_consistency(Consistency::Monotonic);
            let begun = session.begin_with_config(None, Some(AccessMode::ReadOnly));
            let txn = begun.await.unwrap();
            let seen = number(&txn, COUNT).await;
            taken = Some(txn);
            seen == 1
        })
        .await;
        if primary_too {
            // A read on the primary that returns meanwhile stands for what bound the one that waits.
            let primary = session.primary();
            let both = tokio::join!(number(&session, COUNT), number(&primary, COUNT));
            assert_eq!(both, (1, 1));
        } else {
            assert_eq!(number(&session, COUNT).await, 1);
        }
        drop(taken);
    }
    place.standby(1).resume_replay().unwrap();
    place.caught_up();
}
