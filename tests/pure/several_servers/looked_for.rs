//! How a server of the name is looked for that would do better, or that gets no reads (rule C6).

use std::time::Duration;

use super::Servers;
use crate::causality::{Another, LedTo, ReadRequirement, ServerNeed};

/// Without an end it cost twenty logins a second at the one that was left.
#[test]
fn a_server_that_is_not_heard_of_any_more_is_looked_for_ever_less() {
    let mut servers = Servers::new();
    servers.told(1, 0, Some((1, 100)));
    servers.told(2, 0, Some((1, 90)));
    let needs = |lsn: u64| ServerNeed {
        position: ReadRequirement::Position { epoch: 1, lsn },
        least: None,
    };
    let of_age = |least: u64| ServerNeed {
        position: ReadRequirement::Nothing,
        least: Some(least),
    };
    for need in [needs(100), of_age(100)] {
        let at = |servers: &Servers, millis: u64| {
            let now = servers.start + Duration::from_millis(millis);
            servers.known.another(need, now)
        };
        assert_eq!(at(&servers, 1_999), Another::JustHeard);
        assert_eq!(at(&servers, 2_000), Another::Heard);
        assert_eq!(at(&servers, 29_999), Another::Heard);
        assert_eq!(at(&servers, 30_000), Another::None);
        // The other one is heard of all the time, and lacks it.
        servers.told(2, 40_000, Some((1, 99)));
        assert_eq!(at(&servers, 40_000), Another::None);
    }
    servers.told(2, 50_000, Some((1, 100)));
    let now = servers.start + Duration::from_millis(50_001);
    for need in [needs(100), of_age(100)] {
        assert_eq!(servers.known.another(need, now), Another::JustHeard);
    }
    for need in [needs(101), of_age(101)] {
        assert_eq!(servers.known.another(need, now), Another::None);
    }
}

/// One that has left cost nineteen logins a second for as long as it was taken to be just round the corner.
#[test]
fn connections_are_parted_with_seldom_unless_another_server_answered_a_moment_ago() {
    let millis = |another: Another| another.part_every().as_millis();
    assert_eq!(millis(Another::JustHeard), 50);
    for another in [Another::Heard, Another::None] {
        assert_eq!(millis(another), 1_000);
    }
}

/// All connections lead to the first one, or to whichever was told.
#[test]
fn a_server_that_may_do_and_gets_no_reads_is_made_way_for_until_it_gets_one_or_is_gone() {
    let needs = |lsn: u64| ServerNeed {
        position: ReadRequirement::Position { epoch: 1, lsn },
        least: None,
    };
    let mut servers = Servers::new();
    let seconds = |servers: &Servers, led_to: LedTo, lsn: u64, at: u64| {
        let now = servers.start + Duration::from_millis(at);
        let pause = servers.known.neglected(led_to, needs(lsn), now);
        pause.map(|pause| pause.as_secs())
    };
    let first = servers.told(1, 0, Some((1, 100)));
    assert_eq!(seconds(&servers, first, 100, 0), None, "it is the only one");
    let other = servers.told(2, 1_000, Some((1, 90)));
    assert_eq!(seconds(&servers, first, 100, 2_999), None, "it lacks that");
    assert_eq!(seconds(&servers, first, 90, 2_999), Some(1));
    // Whether it lacks it now is not known, nor for long that it is there.
    assert_eq!(seconds(&servers, first, 100, 3_000), Some(5));
    assert_eq!(seconds(&servers, first, 100, 30_999), Some(5));
    assert_eq!(seconds(&servers, first, 90, 31_000), None);
    servers.told(2, 40_000, Some((1, 100)));
    assert_eq!(seconds(&servers, first, 100, 40_000), Some(1));
    let read = servers.start + Duration::from_millis(40_000);
    servers.known.note_read(other, read);
    assert_eq!(seconds(&servers, first, 100, 41_999), None, "it gets reads");
    assert_eq!(seconds(&servers, first, 100, 42_000), Some(5));
    // One of another history counts for nothing.
    servers.told_only(3, 42_000, Some((1, 500)));
    servers.primary(42_000, 1, 400);
    assert_eq!(seconds(&servers, other, 500, 44_500), None);
    // Started again: what it was gets nothing any more, and what it is lacks this.
    servers.told(12, 42_001, Some((1, 99)));
    assert_eq!(seconds(&servers, first, 100, 42_001), None);
}
