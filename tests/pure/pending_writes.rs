//! Writes that nobody waits for any more: every session that has to see them is kept on the primary until a capture covers
//! them (C1, C7, C8, C14).

use std::{sync::Arc, time::Duration};

use crate::{
    causality::{Clock, Current, PrimaryPlace, ReadRequirement, Session, Whose, WriteClock},
    position::{Asks, ClusterId, Epoch, Lsn, Position},
};

const LONG: Duration = Duration::from_secs(600);

/// A capture that is asked for and answered now.
fn cover(clock: &WriteClock, lsn: u64) {
    let epoch = Epoch {
        cluster: ClusterId(7),
        timeline: 1,
    };
    let position = Position {
        epoch,
        lsn: Lsn(lsn),
    };
    let place = PrimaryPlace {
        position,
        writer: None,
        executed: None,
        started: 1,
    };
    assert!(clock.cover(clock.question(clock.word()), place));
}

fn lsn(need: ReadRequirement) -> Option<u64> {
    match need {
        ReadRequirement::Position { lsn, .. } => Some(lsn),
        ReadRequirement::Nothing | ReadRequirement::Primary => None,
    }
}

/// C7: the server committed it after the connection had come back.
#[test]
fn what_was_lost_on_a_connection_of_concrete_is_seen_by_whoever_may_have_done_it() {
    let clock = Arc::new(Clock::default());
    let session = Session::default();
    session.mark_concrete();
    let unresolved = clock.follow_concrete(Duration::ZERO);
    unresolved.mark_unresolved();
    clock.note_concrete_returned(Duration::ZERO);
    cover(&clock.writes, 100);
    assert_eq!(session.need(&clock.writes), ReadRequirement::Primary);
    assert_eq!(session.open_writes(&clock.writes), (false, true));
    let child = session.after(&clock.writes, false);
    assert_eq!(child.need(&clock.writes), ReadRequirement::Primary);
    unresolved.end();
    for session in [&session, &child] {
        assert_eq!(session.need(&clock.writes), ReadRequirement::Primary);
    }
    cover(&clock.writes, 200);
    for session in [&session, &child] {
        assert_eq!(lsn(session.need(&clock.writes)), Some(200));
    }
}

/// C8: each clock numbers its own ticks.
#[test]
fn a_session_of_a_linked_clock_sees_what_returns_through_the_other() {
    let known = Whose {
        system: Some(90),
        servers: vec![1],
        ..Whose::default()
    };
    let named = Whose {
        name: "pending".to_owned(),
        ..Whose::default()
    };
    let (one, late) = (Clock::of(known.clone()), Clock::of(named));
    late.learn_whose(&known);
    for _ in 0..10 {
        late.writes.tick();
    }
    let open = Current::Process.abandon(&one, Duration::ZERO, None);
    cover(&late.writes, 100);
    let session = late.process.after(&late.writes, false);
    assert_eq!(session.need(&late.writes), ReadRequirement::Primary);
    open.end();
    assert_eq!(session.need(&late.writes), ReadRequirement::Primary);
    cover(&late.writes, 200);
    assert_eq!(lsn(session.need(&late.writes)), Some(200));
}

/// C14: a write's pin begins with its return, and for whoever holds it.
#[test]
fn a_session_that_began_while_a_write_was_open_has_its_pin() {
    let clock = Arc::new(Clock::default());
    let open = Current::Process.abandon(&clock, LONG, None);
    let session = Arc::new(clock.process.after(&clock.writes, false));
    let current = Current::Session(Arc::clone(&session));
    assert_eq!(current.open_writes(&clock), (true, false));
    open.end();
    assert_eq!(current.open_writes(&clock), (false, false));
    assert_eq!(current.pinned_need(&clock), ReadRequirement::Primary);
}

/// C7, C14
#[test]
fn what_came_back_of_concrete_pins_whoever_may_have_done_it() {
    let clock = Arc::new(Clock::default());
    let (session, other) = (Arc::new(Session::default()), Arc::new(Session::default()));
    session.mark_concrete();
    Current::Process.wrote(&clock, LONG);
    clock.note_concrete_returned(LONG);
    let need = |session| Current::Session(session).pinned_need(&clock);
    assert_eq!(need(session), ReadRequirement::Primary);
    assert_eq!(need(other), ReadRequirement::Nothing);
}

/// C8: what it left is in the place that all tasks obey.
#[tokio::test]
async fn what_a_task_has_to_see_outlives_its_own_place() {
    let clock = Arc::new(Clock::default());
    let id = || async { tokio::spawn(async { tokio::task::id() }).await.unwrap() };
    let first = Current::Task(id().await);
    let _open = first.abandon(&clock, Duration::ZERO, None);
    first.observe(&clock, Asks::Primary { until: u64::MAX });
    for _ in 0..4096 {
        Current::Task(id().await).wrote(&clock, Duration::ZERO);
    }
    assert!(first.session(&clock).is_none());
    assert_eq!(first.open_writes(&clock), (true, false));
    // What keeps all tasks on the primary is looked at by their reads.
    assert!(first.has_rest(&clock));
    let obeyed = first.obeyed(&clock);
    assert!(obeyed.iter().any(|session| session.stays_until().is_some()));
}
