//! MariaDB's places in a log: their text, and which history they are of (rule C15).

use proptest::prelude::*;

use crate::{
    causality::{Clock, Named, PrimaryPlace, ReadRequirement, Session, Upstream},
    position::{Bookmark, Gtid, GtidPlace, last_of_each},
};

fn gtid(domain: u32, server: u32, sequence: u64) -> Gtid {
    Gtid {
        domain,
        server,
        sequence,
    }
}

#[test]
fn what_a_server_shows_is_read_as_one_place_or_none() {
    let one = |domain, server, sequence| GtidPlace::One(gtid(domain, server, sequence));
    for (text, place) in [
        ("", GtidPlace::Empty),
        (" ", GtidPlace::Empty),
        ("0-1-13", one(0, 1, 13)),
        (
            "0-4294967295-18446744073709551615",
            one(0, u32::MAX, u64::MAX),
        ),
        ("7-2-1\n", one(7, 2, 1)),
        // Two domains, in both forms that servers write them.
        ("0-1-13,1-1-5", GtidPlace::Several),
        ("0-1-13,\n1-1-5", GtidPlace::Several),
        // MySQL's sets, and nothing that can be read.
        (
            "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5",
            GtidPlace::Several,
        ),
        ("0-1", GtidPlace::Several),
        ("0-1-13-2", GtidPlace::Several),
        ("0-1-", GtidPlace::Several),
        ("0--13", GtidPlace::Several),
        ("+0-1-13", GtidPlace::Several),
        ("0-4294967296-1", GtidPlace::Several),
        ("0-1-18446744073709551616", GtidPlace::Several),
    ] {
        assert_eq!(GtidPlace::of(text), place, "{text}");
    }
}

#[test]
fn the_last_number_of_each_writer_is_taken_from_all_that_is_told_in_one_domain() {
    let last = |texts: &[&str]| {
        let last = last_of_each(texts)?;
        Some(
            last.iter()
                .map(Gtid::to_string)
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    for (texts, expected) in [
        (&["", ""][..], Some("")),
        (&["0-1-13"], Some("0-1-13")),
        (&["0-1-13,0-2-20", "0-1-15"], Some("0-1-15 0-2-20")),
        // What is received is not in the log of a replica that keeps none of it.
        (&["0-2-20", "0-1-13"], Some("0-2-20 0-1-13")),
        (&["0-1-13,\n0-2-20"], Some("0-1-13 0-2-20")),
        (&["0-1-13,1-1-5"], None),
        (&["0-1-13", "1-1-5"], None),
        (&["3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5"], None),
    ] {
        assert_eq!(last(texts).as_deref(), expected, "{texts:?}");
    }
}

proptest! {
    #[test]
    fn a_place_is_read_as_it_is_shown(domain: u32, server: u32, sequence: u64) {
        let place = gtid(domain, server, sequence);
        prop_assert_eq!(place.to_string().parse(), Ok(place));
        let mark = place.position().to_string();
        prop_assert!(mark.starts_with("1g.") && mark.len() <= 128);
        prop_assert_eq!(mark.parse(), Ok(place.position()));
    }

    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = GtidPlace::of(&text);
    }

    /// Of one domain the greater number covers the smaller one, whoever wrote either.
    #[test]
    fn places_of_one_domain_are_ordered_and_of_two_are_not(a in 0..5_u64, b in 0..5_u64, other: bool) {
        let (one, two) = (gtid(0, 1, a).position(), gtid(u32::from(other), 2, b).position());
        prop_assert_eq!(one.merge(two).is_some(), !other);
        prop_assert_eq!(one.covers(two), !other && a >= b);
        prop_assert_eq!(one.merge(two), two.merge(one));
    }
}

#[test]
fn a_bookmark_of_it_has_one_text() {
    let mark: Bookmark = "1g.0.d".parse().unwrap();
    assert_eq!(mark.to_string(), "1g.0.d");
    for text in ["1g.0", "1g.0.0.d", "1g.0.D", "1p.0.0.d", "1g.0.d."] {
        text.parse::<Bookmark>().unwrap_err();
    }
}

/// A primary whose log ends there says so.
fn tells(clock: &Clock, writer: u32, sequence: u64, started: u64) -> bool {
    let writes = &clock.writes;
    let place = PrimaryPlace {
        position: gtid(0, writer, sequence).position(),
        writer: Some(writer),
        executed: None,
        started,
    };
    writes.cover(writes.question(writes.word()), place)
}

/// The ordinal under which what a replica has applied counts.
fn counts(clock: &Clock, server: u32, sequence: u64) -> Option<u64> {
    clock
        .writes
        .ordinal(0, Upstream::Writer { server, sequence })
}

fn need(clock: &Clock, session: &Session) -> ReadRequirement {
    // The first one finds that its epoch is over.
    let _ = session.need(&clock.writes);
    session.need(&clock.writes)
}

#[test]
fn a_replica_counts_by_the_writer_of_what_it_applied_last() {
    let clock = Clock::default();
    assert_eq!(counts(&clock, 1, 10), None, "nothing was told yet");
    assert!(tells(&clock, 1, 10, 100));
    let first = clock.writes.epoch();
    assert_eq!(counts(&clock, 1, 12), Some(first));
    assert_eq!(
        counts(&clock, 1, 9),
        None,
        "below what is known of this history"
    );
    assert_eq!(counts(&clock, 2, 12), None, "another writer's");
    assert_eq!(
        clock.writes.ordinal(
            1,
            Upstream::Writer {
                server: 1,
                sequence: 12
            }
        ),
        None,
        "another domain"
    );
    // It was promoted and has written: what the old one writes alone is of no use from now on, whatever its number.
    assert!(tells(&clock, 2, 14, 200));
    let second = clock.writes.epoch();
    assert!(second > first);
    assert_eq!(counts(&clock, 1, 20), None);
    assert_eq!(counts(&clock, 2, 14), Some(second));
    // And back again, which no number forbids.
    assert!(tells(&clock, 1, 20, 100));
    assert!(clock.writes.epoch() > second);
    assert_eq!(counts(&clock, 1, 15), None, "it may be what was lost");
    assert_eq!(counts(&clock, 1, 20), Some(clock.writes.epoch()));
}

#[test]
fn what_was_written_before_another_writer_is_covered_by_what_that_one_has() {
    let clock = Clock::default();
    let session = Session::default();
    session.wrote(clock.writes.tick());
    assert!(tells(&clock, 1, 10, 100));
    let epoch = clock.writes.epoch();
    assert_eq!(
        need(&clock, &session),
        ReadRequirement::Position { epoch, lsn: 10 }
    );
    assert!(tells(&clock, 2, 14, 200));
    let epoch = clock.writes.epoch();
    assert_eq!(
        need(&clock, &session),
        ReadRequirement::Position { epoch, lsn: 14 }
    );
}

/// The same number, or a smaller one: what was told before is lost.
#[test]
fn a_log_that_is_shorter_than_it_was_is_another_history() {
    for (writer, sequence) in [(1, 9), (2, 10), (2, 9)] {
        let clock = Clock::default();
        assert!(tells(&clock, 1, 10, 100));
        let before = clock.writes.epoch();
        assert!(tells(&clock, writer, sequence, 200));
        assert!(clock.writes.epoch() > before, "{writer} {sequence}");
    }
}

/// The same server counts from one, and what a replica has of before has greater numbers.
#[test]
fn an_emptied_log_proves_nothing_by_numbers_that_it_had_before() {
    let clock = Clock::default();
    assert!(tells(&clock, 1, 100, 11));
    let before = clock.writes.epoch();
    assert_eq!(counts(&clock, 1, 105), Some(before), "told by nobody else");
    for sequence in [1, 60, 104] {
        assert!(tells(&clock, 1, sequence, 11));
        for of_before in [100, 105] {
            assert_eq!(counts(&clock, 1, of_before), None, "{sequence}");
        }
    }
    assert!(tells(&clock, 1, 110, 11));
    assert!(clock.writes.epoch() > before);
    assert_eq!(counts(&clock, 1, 105), None);
    assert_eq!(counts(&clock, 1, 106), Some(clock.writes.epoch()));
    // Again, shorter than that.
    assert!(tells(&clock, 1, 2, 11));
    assert_eq!(counts(&clock, 1, 110), None);
}

#[test]
fn what_was_received_is_compared_with_what_was_written_in_one_domain() {
    let one = |domain, sequence| GtidPlace::One(gtid(domain, 2, sequence));
    let received = gtid(0, 1, 100);
    assert!(received.is_beyond(GtidPlace::Empty));
    assert!(received.is_beyond(one(0, 50)));
    for place in [one(0, 100), one(0, 101), one(7, 50), GtidPlace::Several] {
        assert!(!received.is_beyond(place), "{place:?}");
    }
}

/// An authority names a primary by what stands in the place of an epoch for roles, which positions know nothing of (T19).
#[test]
fn positions_begin_anew_with_an_authoritys_word() {
    let clock = Clock::default();
    assert!(tells(&clock, 1, 100, 11));
    let before = clock.writes.epoch();
    let named = Named {
        cluster: None,
        timeline: 98,
        started: Some(12),
    };
    assert_eq!(clock.take_word(named, clock.writes.word()), 1);
    assert!(tells(&clock, 3, 99, 12));
    assert!(clock.writes.epoch() > before);
    assert!(
        !clock.writes.wants_capture(),
        "all that was written is covered"
    );
}
