//! How far MySQL's servers have come: what one primary told is put in order, and what a replica has executed is held against that
//! (rule C16).

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use proptest::prelude::*;

use crate::{
    causality::{
        Clock, Executed, Named, PrimaryPlace, ReadRequirement, ReplayReport, Session, Upstream,
    },
    position::{ClusterId, Epoch, GtidSet, Lsn, Position},
};

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000000";

fn set(text: &str) -> GtidSet {
    let text = text.replace('A', A).replace('B', B);
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// A primary with this identifier, started then, says what it has executed.
fn tells_by(clock: &Clock, server: &str, text: &str, started: u64) -> bool {
    let (writes, executed) = (&clock.writes, set(text));
    let server = crate::position::server_of_uuid(server).unwrap();
    let place = PrimaryPlace {
        position: Position {
            epoch: Epoch {
                cluster: ClusterId::OF_SETS,
                timeline: Epoch::WITHOUT_TIMELINE,
            },
            lsn: Lsn(executed.count()),
        },
        writer: None,
        executed: Some(Arc::new(Executed {
            set: executed,
            server,
        })),
        started,
    };
    writes.cover(writes.question(writes.word()), place)
}

fn tells(clock: &Clock, text: &str) -> bool {
    tells_by(clock, A, text, 1)
}

/// How far a replica has come that has executed this.
fn reached(clock: &Clock, text: &str) -> Option<(u64, u64)> {
    let report = ReplayReport {
        begun: Instant::now(),
        lsn: None,
        executed: Some(Arc::new(set(text))),
        complete: false,
        source: Upstream::Executed,
        cluster: ClusterId::OF_SETS.0,
        server: 2,
        address: None,
        connection: None,
    };
    let (epoch, lsn) = clock.writes.observe(&report);
    epoch.zip(lsn)
}

fn write(clock: &Clock, session: &Session) {
    session.wrote(clock.writes.tick());
}

/// Whether a replica with this has what the session needs.
fn covers(clock: &Clock, session: &Session, text: &str) -> bool {
    match session.need(&clock.writes) {
        ReadRequirement::Nothing => true,
        ReadRequirement::Primary => false,
        ReadRequirement::Position { epoch, lsn } => {
            reached(clock, text).is_some_and(|(of, reached)| of == epoch && reached >= lsn)
        }
    }
}

/// The transaction 6 was committed before 5: whoever has the one need not have the other.
#[test]
fn a_gap_below_a_greater_number_is_not_passed_over() {
    let (clock, session) = (Clock::default(), Session::default());
    write(&clock, &session);
    assert!(tells(&clock, "A:1-4:6"));
    assert!(covers(&clock, &session, "A:1-4:6"));
    write(&clock, &session);
    assert!(tells(&clock, "A:1-6"));
    assert!(!covers(&clock, &session, "A:1-4:6"));
    assert!(!covers(&clock, &session, "A:1-4:6-9"));
    assert!(covers(&clock, &session, "A:1-6"));
}

/// What it has besides, by whomever, stands for nothing that it lacks.
#[test]
fn what_a_replica_wrote_itself_stands_for_nothing() {
    let (clock, session) = (Clock::default(), Session::default());
    assert!(tells(&clock, "A:1-4"));
    write(&clock, &session);
    assert!(tells(&clock, "A:1-5"));
    assert!(!covers(&clock, &session, "A:1-4,B:1-100"));
    assert!(covers(&clock, &session, "A:1-5,B:1-100"));
    // A tag counts by itself.
    write(&clock, &session);
    assert!(tells(&clock, "A:1-5:nightly:1"));
    assert!(!covers(&clock, &session, "A:1-9"));
    assert!(covers(&clock, &session, "A:1-9:nightly:1-2"));
}

/// Whatever was purged from the log is in the set still; a replica that was made from a copy has it in the same way.
#[test]
fn a_replica_counts_from_what_was_told_first() {
    let (clock, session) = (Clock::default(), Session::default());
    assert_eq!(reached(&clock, "A:1-5"), None, "nobody has told anything");
    assert!(tells(&clock, "A:1-5,B:1-3"));
    assert_eq!(reached(&clock, "A:1-4,B:1-3"), Some((1, 0)));
    assert_eq!(reached(&clock, "A:1-5"), Some((1, 0)));
    assert_eq!(reached(&clock, "A:1-5,B:1-3"), Some((1, 8)));
    assert!(covers(&clock, &session, ""));
}

/// A planned change loses nothing: the new primary has all that the old one told, and what is known goes on.
#[test]
fn another_primary_that_has_everything_goes_on() {
    let (clock, session) = (Clock::default(), Session::default());
    write(&clock, &session);
    assert!(tells_by(&clock, A, "A:1-5", 1));
    assert!(tells_by(&clock, B, "A:1-5,B:1", 2));
    assert!(covers(&clock, &session, "A:1-5"));
    assert_eq!(clock.writes.positions_lost(), 0);
    write(&clock, &session);
    assert!(tells_by(&clock, B, "A:1-5,B:1-2", 2));
    assert!(!covers(&clock, &session, "A:1-5"));
    assert!(covers(&clock, &session, "A:1-5,B:1-2"));
}

/// What survived is below the first that it tells, and what did not is nowhere (C10).
#[test]
fn another_primary_that_lacks_something_begins_another_history() {
    let (clock, session) = (Clock::default(), Session::default());
    write(&clock, &session);
    assert!(tells_by(&clock, A, "A:1-5", 1));
    assert!(covers(&clock, &session, "A:1-5"));
    assert!(tells_by(&clock, B, "A:1-4,B:1", 2));
    // Once: the first read after it goes to the primary.
    assert!(!covers(&clock, &session, "A:1-5,B:1"));
    assert!(!covers(&clock, &session, "A:1-5"));
    assert!(covers(&clock, &session, "A:1-4,B:1"));
    assert_eq!(clock.writes.positions_lost(), 1);
    assert!(!clock.writes.is_reused());
}

/// A log that was emptied, or lost its end, gives the numbers to other transactions: a replica may have either.
#[test]
fn numbers_that_are_given_a_second_time_prove_nothing() {
    let (clock, session) = (Clock::default(), Session::default());
    write(&clock, &session);
    assert!(tells(&clock, "A:1-5"));
    write(&clock, &session);
    // Emptied, and the first number is another transaction's.
    assert!(!tells(&clock, "A:1"));
    assert!(clock.writes.is_reused());
    assert!(!covers(&clock, &session, "A:1-5"));
    // Nor later, and nobody's word changes that.
    assert!(!tells(&clock, "A:1-9"));
    assert_eq!(reached(&clock, "A:1-9"), None);
}

/// A replica had received the end of the log that a crash took from the primary, which this process had not been told of.
#[test]
fn what_a_replica_has_of_a_primary_that_lost_it_is_not_taken_for_what_is_written_next() {
    let clock = Clock::default();
    assert!(tells(&clock, "A:1-5"));
    assert_eq!(reached(&clock, "A:1-7"), Some((1, 5)));
    assert!(!tells_by(&clock, A, "A:1-5", 2));
    assert!(clock.writes.is_reused());
}

/// A replica may be a moment ahead of what the primary says of itself, and one that wrote something may become the primary.
#[test]
fn what_a_replica_tells_beyond_the_primary_is_no_loss_by_itself() {
    let clock = Clock::default();
    assert!(tells(&clock, "A:1-5"));
    assert_eq!(reached(&clock, "A:1-6,B:1"), Some((1, 5)));
    assert!(tells(&clock, "A:1-5"));
    assert!(tells(&clock, "A:1-6"));
    assert_eq!(reached(&clock, "A:1-6,B:1"), Some((1, 6)));
    assert!(tells_by(&clock, B, "A:1-6,B:1-2", 2));
    assert!(!clock.writes.is_reused());
    assert_eq!(reached(&clock, "A:1-6,B:1-2"), Some((1, 8)));
}

/// The old primary was set up anew from the new one, and is the primary again: its next number is the one that was lost.
#[test]
fn a_number_that_was_lost_with_an_old_primary_is_not_believed_when_that_gives_it_again() {
    let clock = Clock::default();
    assert!(tells_by(&clock, A, "A:1-5", 1));
    assert!(tells_by(&clock, B, "A:1-4,B:1", 2));
    assert!(tells_by(&clock, A, "A:1-4,B:1-2", 3));
    assert!(!tells_by(&clock, A, "A:1-5,B:1-2", 3));
    assert!(clock.writes.is_reused());
}

/// An authority's word begins anew, also where nothing is lost.
#[test]
fn after_the_word_of_an_authority_what_was_told_before_counts_no_more() {
    let (clock, session) = (Clock::default(), Session::default());
    write(&clock, &session);
    assert!(tells(&clock, "A:1-5"));
    let named = Named {
        cluster: None,
        timeline: 7,
        started: None,
    };
    let word = clock.take_word(named, clock.writes.word());
    assert_eq!(reached(&clock, "A:1-9"), None);
    assert!(!covers(&clock, &session, "A:1-9"));
    assert_eq!(clock.writes.word(), word);
    assert!(tells(&clock, "A:1-6"));
    assert!(!covers(&clock, &session, "A:1-6"), "exchanged");
    assert!(covers(&clock, &session, "A:1-6"));
    assert!(!covers(&clock, &session, "A:1-5"));
}

/// What a wait is for: all that somebody has who has come so far.
#[test]
fn a_number_is_a_set_again() {
    let clock = Clock::default();
    assert_eq!(clock.writes.executed_at(0), None);
    for text in ["A:1-4", "A:1-4:6", "A:1-8", "A:1-8,B:1"] {
        assert!(tells(&clock, text));
    }
    for (number, text) in [
        (0, "A:1-4"),
        (4, "A:1-4"),
        (5, "A:1-4:6"),
        (6, "A:1-8"),
        (8, "A:1-8"),
        (9, "A:1-8,B:1"),
        (99, "A:1-8,B:1"),
    ] {
        assert_eq!(
            clock.writes.executed_at(number),
            Some(set(text)),
            "{number}"
        );
    }
}

proptest! {
    /// Of all that was told, the last of which it has everything.
    #[test]
    fn a_replica_has_come_as_far_as_the_last_that_it_contains(
        told in prop::collection::vec(prop::collection::btree_set((0..2_u8, 1..30_u64), 1..5), 1..12),
        has in prop::collection::btree_set((0..2_u8, 1..30_u64), 0..60),
    ) {
        let text = |of: &BTreeSet<(u8, u64)>| {
            let one = |(server, number): &(u8, u64)| format!("{}:{number}", ["A", "B"][usize::from(*server)]);
            of.iter().map(one).collect::<Vec<_>>().join(",")
        };
        let (clock, mut whole) = (Clock::default(), BTreeSet::new());
        let mut expected = 0;
        for more in &told {
            whole.extend(more.iter().copied());
            prop_assert!(tells(&clock, &text(&whole)));
            if has.is_superset(&whole) {
                expected = whole.len();
            }
        }
        prop_assert_eq!(reached(&clock, &text(&has)), Some((1, u64::try_from(expected).unwrap())));
    }
}

/// However much was told: what is no more known apart counts as nothing, and the last always counts.
#[test]
fn only_so_much_is_known_apart() {
    let clock = Clock::default();
    for number in 1..=3000_u32 {
        assert!(tells(&clock, &format!("A:1-{number}")));
    }
    assert_eq!(reached(&clock, "A:1-3000"), Some((1, 3000)));
    assert_eq!(reached(&clock, "A:1-2990"), Some((1, 2990)));
    assert_eq!(reached(&clock, "A:1-1000"), Some((1, 0)));
    assert_eq!(clock.writes.executed_at(10), Some(set("A:1-1976")));
}

/// One that comes from another process: all of it is there where the primary had it, and where that lacks some, what it has now
/// holds the rest (C11).
#[test]
fn a_bookmark_stands_for_the_first_that_contains_it() {
    let clock = Clock::default();
    assert_eq!(clock.writes.place_of(&set("A:1")), None);
    for text in ["A:1-4", "A:1-4:6", "A:1-8", "A:1-8,B:1"] {
        assert!(tells(&clock, text));
    }
    for (text, place) in [
        ("", Some(4)),
        ("A:2", Some(4)),
        ("A:1-4", Some(4)),
        ("A:6", Some(5)),
        ("A:5-6", Some(8)),
        ("B:1", Some(9)),
        ("A:1-9", None),
        ("A:1-8,B:2", None),
    ] {
        let place = place.map(|number| (1, number));
        assert_eq!(clock.writes.place_of(&set(text)), place, "{text}");
    }
}
