//! `monotonic`: what a read has seen, no later one misses (rule C9).

use std::collections::BTreeSet;

use sealane::{Consistency, Reason};

use super::{COUNT, SLOT, connect, reason};
use crate::{fixture::number, heard::Heard, place::until};

#[tokio::test]
async fn reads_never_go_back_whichever_node_serves_them() {
    let place = SLOT.alone("monotonic_back").await;
    let db = connect(&place).await;
    let eventual = db.consistency(Consistency::Eventual);
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
        let mut session = db.session_empty().consistency(Consistency::Monotonic);
        until("the first read", async || {
            session = db.session_empty().consistency(Consistency::Monotonic);
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
    let session = db.session_empty().consistency(Consistency::Monotonic);
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
    let db = connect(&place).await.session_empty();
    let db = db.consistency(Consistency::Monotonic);
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
