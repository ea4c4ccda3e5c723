//! Which position covers what reads on a replica have seen (rule C9).

use std::time::{Duration, Instant};

use crate::causality::ReadCovers;

/// Samples as `(connection, milliseconds, epoch, lsn, everything received is replayed)`, and the proven one after them.
fn proven(samples: &[(u64, u64, u64, u64, bool)]) -> Option<(u64, u64, (u64, u64))> {
    let start = Instant::now();
    let mut covers = ReadCovers::default();
    for &(connection, at, epoch, lsn, complete) in samples {
        let said = (lsn > 0).then_some(((epoch, lsn), complete));
        covers.note(connection, start + Duration::from_millis(at), said);
    }
    covers.proven().map(|one| {
        let at = one.begun.duration_since(start).as_millis();
        (one.connection, u64::try_from(at).unwrap(), one.position)
    })
}

#[test]
fn a_position_covers_what_was_seen_before_it_only_where_no_record_is_being_replayed_behind_it() {
    assert_eq!(proven(&[]), None);
    assert_eq!(proven(&[(1, 10, 1, 100, true)]), Some((1, 10, (1, 100))));
    assert_eq!(proven(&[(1, 10, 1, 100, false)]), None);
    let stands = [(1, 10, 1, 100, false), (1, 20, 1, 100, false)];
    assert_eq!(proven(&stands), None);
}

#[test]
fn a_later_and_greater_position_covers_what_was_seen_before_the_one_before() {
    let moves = [(1, 10, 1, 100, false), (1, 20, 1, 150, false)];
    assert_eq!(proven(&moves), Some((1, 10, (1, 150))));
    let stood = [
        (1, 10, 1, 100, false),
        (1, 20, 1, 100, false),
        (1, 30, 1, 150, false),
    ];
    assert_eq!(proven(&stood), Some((1, 20, (1, 150))));
    let promoted = [(1, 10, 1, 100, false), (1, 20, 2, 150, false)];
    assert_eq!(proven(&promoted), Some((1, 10, (2, 150))));
    let followed = [(1, 10, 1, 100, false), (1, 20, 2, 100, false)];
    assert_eq!(proven(&followed), None, "the same record");
}

#[test]
fn another_life_and_a_server_that_tells_nothing_begin_anew() {
    let other = [(1, 10, 1, 100, false), (2, 20, 1, 150, false)];
    assert_eq!(proven(&other), None);
    let gone = [(1, 10, 1, 100, true), (2, 20, 1, 150, false)];
    assert_eq!(proven(&gone), None);
    let silent = [
        (1, 10, 1, 100, false),
        (1, 20, 0, 0, false),
        (1, 30, 1, 150, false),
    ];
    assert_eq!(proven(&silent), None);
}
