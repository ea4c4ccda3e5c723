//! Positions: laws of order and merge, the text form, and the page heads of the write-ahead log (rules C3, C10).

use std::cmp::Ordering;

use proptest::prelude::*;

use crate::position::{Bookmark, ClusterId, Epoch, Lsn, NotAPosition, Position};

fn at(cluster: u64, timeline: u32, lsn: u64) -> Position {
    let cluster = ClusterId(cluster);
    Position {
        epoch: Epoch { cluster, timeline },
        lsn: Lsn(lsn),
    }
}

/// From few clusters, epochs and places, so that equal ones meet.
fn position() -> impl Strategy<Value = Position> {
    (0..2_u64, 0..3_u32, 0..4_u64).prop_map(|(cluster, timeline, lsn)| at(cluster, timeline, lsn))
}

proptest! {
    #[test]
    fn the_later_of_two_covers_both_and_does_not_depend_on_their_order(a in position(), b in position()) {
        prop_assert_eq!(a.merge(b), b.merge(a));
        if let Some(later) = a.merge(b) {
            prop_assert!(later.covers(a) && later.covers(b));
            prop_assert!(later == a || later == b);
        }
    }

    #[test]
    fn merging_three_does_not_depend_on_who_comes_first(a in position(), b in position(), c in position()) {
        let left = a.merge(b).and_then(|ab| ab.merge(c));
        let right = b.merge(c).and_then(|bc| a.merge(bc));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn c10_positions_of_two_epochs_have_no_order(a in position(), b in position()) {
        let comparable = a.epoch == b.epoch;
        prop_assert_eq!(a.partial_cmp(&b).is_some(), comparable);
        prop_assert_eq!(a.merge(b).is_some(), comparable);
        prop_assert!(comparable || !a.covers(b));
    }

    #[test]
    fn covering_is_transitive(a in position(), b in position(), c in position()) {
        prop_assert!(!(a.covers(b) && b.covers(c)) || a.covers(c));
    }

    #[test]
    fn a_text_is_read_as_the_position_it_was_written_from(cluster: u64, timeline: u32, lsn: u64) {
        let position = at(cluster, timeline, lsn);
        let text = position.to_string();
        prop_assert!(text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
        prop_assert_eq!(text.parse(), Ok(position));
    }

    #[test]
    fn a_text_that_is_read_at_all_is_the_one_that_would_be_written(text in "1p\\.[0-9a-fA-F+.]{0,40}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text: String) {
        let _ = text.parse::<Position>();
        let _ = text.parse::<Lsn>();
    }

    #[test]
    fn the_servers_own_form_is_read_as_it_is_shown(lsn: u64) {
        prop_assert_eq!(Lsn(lsn).to_string().parse(), Ok(Lsn(lsn)));
    }
}

#[test]
fn epochs_are_ordered_within_one_cluster_only() {
    let epoch = |cluster, timeline| at(cluster, timeline, 0).epoch;
    assert_eq!(
        epoch(1, 2).partial_cmp(&epoch(1, 10)),
        Some(Ordering::Less),
        "timelines are numbers"
    );
    assert_eq!(epoch(1, 2).partial_cmp(&epoch(2, 3)), None);
}

#[test]
fn garbage_is_refused_by_what_is_wrong_with_it() {
    let refused = |text: &str| text.parse::<Position>().unwrap_err();
    for text in ["", "1p", "hello", "2p.1.1.1", "1h.1.1.1", "1P.1.1.1"] {
        assert_eq!(refused(text), NotAPosition::Kind, "{text}");
    }
    for text in [
        "1p.",
        "1p.1.1",
        "1p.1.1.1.1",
        "1p.1.1.",
        "1p.01.1.1",
        "1p.1.1.A",
        "1p.+1.1.1",
        "1p.1.100000000.1",
        "1p.1.1.10000000000000000",
        "1p.1.1.1 ",
    ] {
        assert_eq!(refused(text), NotAPosition::Form, "{text}");
    }
    let long = "1p.".repeat(100);
    assert_eq!(
        refused(&long),
        NotAPosition::Length {
            length: 300,
            most: 128
        }
    );
}

#[test]
fn a_refusal_does_not_repeat_what_came_from_outside() {
    let canary = "1p.canary.1.1";
    let said = canary.parse::<Position>().unwrap_err().to_string();
    assert!(!said.contains("canary"), "{said}");
}

/// The pairs that were seen on servers: the insert position behind a page's head, and where replay stood.
#[test]
fn c3_a_position_behind_the_head_of_an_empty_page_is_the_end_of_the_last_record() {
    const SEGMENT: u64 = 16 << 20;
    let ends = |lsn: &str, segment| {
        lsn.parse::<Lsn>()
            .unwrap()
            .at_end_of_record(segment)
            .to_string()
    };
    for (inserted, replayed) in [
        ("0/5000028", "0/5000000"),
        ("0/5010018", "0/5010000"),
        ("0/2000028", "0/2000000"),
        // Behind a record: as it stands.
        ("0/5010020", "0/5010020"),
        ("0/5000018", "0/5000000"),
        ("0/5002028", "0/5002028"),
        ("16/B374D848", "16/B374D848"),
    ] {
        assert_eq!(ends(inserted, SEGMENT), replayed, "{inserted}");
    }
    // With segments of 1 MiB another page begins a segment.
    assert_eq!(ends("0/5100028", 1 << 20), "0/5100000");
    assert_eq!(ends("0/5100028", SEGMENT), "0/5100028");
}

#[test]
fn a_bookmark_without_a_position_asks_for_the_primary() {
    let read = |text: &str| text.parse::<Bookmark>();
    for text in ["1n", "1u.0", "1u.65f8c1d2", "1p.7.1.a"] {
        assert_eq!(read(text).unwrap().to_string(), text);
    }
    for text in [
        "1u",
        "1u.",
        "1u.00",
        "1u.A",
        "1u.1.1",
        "1u.10000000000000000",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let merged = |one: &str, other: &str| {
        let both = read(one).unwrap().merge(read(other).unwrap());
        both.map(|both| both.to_string())
    };
    for (one, other, both) in [
        ("1u.5", "1u.7", Some("1u.7")),
        ("1u.5", "1p.7.1.a", Some("1u.5")),
        ("1p.7.1.a", "1u.5", Some("1u.5")),
        ("1n", "1u.5", Some("1u.5")),
        ("1p.7.1.a", "1p.7.2.a", None),
    ] {
        assert_eq!(merged(one, other).as_deref(), both, "{one} {other}");
    }
}
