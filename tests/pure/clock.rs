//! The order of primaryships in the write clock (rules C2, C10, T3).

use crate::position::{Asks, ClusterId, Epoch, Lsn, Position};
use std::sync::Arc;

use crate::causality::{
    Clock, HandsOut, Named, PrimaryPlace, ReadRequirement, Session, Settled, Upstream, Whose,
    WriteClock,
};

fn at(cluster: u64, timeline: u32, lsn: u64) -> Position {
    let cluster = ClusterId(cluster);
    Position {
        epoch: Epoch { cluster, timeline },
        lsn: Lsn(lsn),
    }
}

fn named(cluster: u64, timeline: u64) -> Named {
    Named {
        cluster: Some(cluster),
        timeline,
        started: None,
    }
}

fn told(position: Position, started: u64) -> PrimaryPlace {
    PrimaryPlace {
        position,
        writer: None,
        executed: None,
        started,
    }
}

/// A capture of a handle that has heard the last word.
fn cover(clock: &WriteClock, position: Position, started: u64) -> bool {
    clock.cover(clock.question(clock.word()), told(position, started))
}

fn needs(clock: &WriteClock, session: &Session) -> Option<u64> {
    // The first one finds that its epoch is over.
    let _ = session.need(clock);
    match session.need(clock) {
        ReadRequirement::Position { epoch, lsn } if epoch == clock.epoch() => Some(lsn),
        ReadRequirement::Nothing | ReadRequirement::Position { .. } | ReadRequirement::Primary => {
            None
        }
    }
}

#[test]
fn what_is_below_the_greatest_epoch_covers_nothing_until_an_authority_says_so() {
    let clock = Clock::default();
    assert!(cover(&clock.writes, at(7, 2, 900), 1));
    let session = Session::default();
    session.wrote(clock.writes.tick());
    assert!(cover(&clock.writes, at(7, 2, 950), 1));
    assert_eq!(needs(&clock.writes, &session), Some(950));
    assert!(!cover(&clock.writes, at(7, 1, 990), 1));
    assert!(!cover(&clock.writes, at(8, 3, 990), 1));

    let under_way = clock.writes.question(clock.writes.word());
    assert_eq!(clock.take_word(named(7, 1), clock.writes.word()), 1);
    assert_eq!(
        needs(&clock.writes, &session),
        None,
        "nobody knows where it begins"
    );
    assert!(clock.writes.captures().is_asked() && clock.writes.wants_capture());
    assert!(
        !clock.writes.cover(under_way, told(at(7, 2, 999), 1)),
        "of the one before"
    );
    assert!(
        !clock
            .writes
            .cover(clock.writes.question(0), told(at(7, 2, 999), 1)),
        "it has not heard"
    );
    assert!(cover(&clock.writes, at(7, 1, 400), 5));
    assert_eq!(needs(&clock.writes, &session), Some(400));
    assert_eq!(session.positions_lost(), 1);
    assert!(clock.writes.is_over(at(7, 2, 0).epoch) && !clock.writes.is_over(at(7, 1, 0).epoch));
    assert_eq!(
        clock.writes.ordinal(7, Upstream::Timeline(1)),
        Some(clock.writes.epoch())
    );

    // Another handle to the same clock is told later: nothing begins anew for it.
    let epoch = clock.writes.epoch();
    assert_eq!(
        (clock.take_word(named(7, 1), 0), clock.writes.epoch()),
        (1, epoch)
    );
    // Told at the same time of another server in that epoch, it is another word.
    let other = Named {
        started: Some(9),
        ..named(7, 1)
    };
    assert_eq!(clock.take_word(other, 0), 2);
    assert_eq!(clock.take_word(other, 1), 2);
    assert!(cover(&clock.writes, at(7, 1, 400), 5));
    // The next promotion comes to the number that was given up.
    assert!(cover(&clock.writes, at(7, 2, 500), 6));
    assert!(!clock.writes.is_over(at(7, 2, 0).epoch));
    assert_eq!(
        clock.writes.ordinal(7, Upstream::Timeline(2)),
        Some(clock.writes.epoch())
    );
    assert_eq!(needs(&clock.writes, &session), Some(500));
    // Another cluster's disk.
    assert_eq!(clock.take_word(named(8, 1), clock.writes.word()), 3);
    assert!(clock.writes.greatest().is_none());
    assert!(cover(&clock.writes, at(8, 1, 100), 7));
    assert_eq!(needs(&clock.writes, &session), Some(100));
}

fn known(system: u64) -> Whose {
    Whose {
        system: Some(system),
        servers: vec![1],
        name: String::new(),
    }
}

fn unknown(name: &str) -> Whose {
    Whose {
        name: name.to_owned(),
        ..Whose::default()
    }
}

struct Out;

impl HandsOut for Out {
    fn is_in_use(&self, _: bool) -> bool {
        true
    }
}

/// C7, C8: before and after both know that they lead to one cluster.
#[test]
fn what_is_out_of_one_clock_of_a_cluster_is_out_of_all() {
    let (one, late) = (Clock::of(known(71)), Clock::of(unknown("out")));
    let out = || Arc::new(Out) as Arc<dyn HandsOut>;
    let (before, after) = (out(), out());
    let settled = Arc::new(Settled::default());
    one.hands_out(Arc::downgrade(&before), Arc::clone(&settled));
    assert!(!late.has_handed_out());
    late.learn_whose(&known(71));
    assert!(late.has_handed_out() && late.is_in_use(true));
    drop(before);
    assert!(late.is_in_use(true), "gone, and nobody has ticked");
    settled.settle();
    assert!(!late.is_in_use(true));
    late.hands_out(Arc::downgrade(&after), Arc::default());
    assert!(one.is_in_use(true));
    let clock = Clock::default();
    assert!(!clock.has_handed_out(), "another cluster's");
}

/// C8: a handle that learnt late whose cluster it leads to has a clock of its own, and hears it as well.
#[test]
fn what_an_authority_says_to_one_clock_of_a_cluster_is_said_to_all() {
    let (one, late) = (Clock::of(known(70)), Clock::of(unknown("words")));
    late.learn_whose(&known(70));
    for clock in [&one, &late] {
        assert!(cover(&clock.writes, at(70, 2, 990), 1));
    }
    one.take_word(named(70, 1), one.writes.word());
    assert_eq!(late.writes.words().borrow().named, named(70, 1));
    for clock in [&one, &late] {
        assert!(clock.writes.is_over(at(70, 2, 0).epoch));
        assert!(cover(&clock.writes, at(70, 1, 400), 2));
    }
}

#[test]
fn a_server_that_comes_back_behind_what_it_told_begins_another_history() {
    let clock = Clock::default();
    assert!(cover(&clock.writes, at(7, 1, 900), 1));
    let session = Session::default();
    session.wrote(clock.writes.tick());
    assert!(cover(&clock.writes, at(7, 1, 950), 1));
    let epoch = clock.writes.epoch();
    // An answer that was late says nothing new.
    assert!(cover(&clock.writes, at(7, 1, 940), 1));
    // One that lost nothing goes on.
    assert!(cover(&clock.writes, at(7, 1, 960), 2));
    assert_eq!(
        (needs(&clock.writes, &session), clock.writes.epoch()),
        (Some(950), epoch)
    );
    assert!(cover(&clock.writes, at(7, 1, 400), 3));
    assert_eq!(needs(&clock.writes, &session), Some(400));
    assert_eq!(clock.writes.greatest(), Some(at(7, 1, 400)));
    // One that has replayed something of a timeline that was never seen here is on that one.
    assert_eq!(clock.writes.ordinal(7, Upstream::Hidden(Some(2))), None);
    // A standby on that timeline is counted in it, whether it may tell the timeline or not.
    for source in [Upstream::Timeline(1), Upstream::Hidden(None)] {
        assert_eq!(clock.writes.ordinal(7, source), Some(epoch + 1));
    }
}

#[test]
fn what_a_session_brought_keeps_it_on_the_primary_until_it_is_known() {
    let clock = Clock::default();
    assert!(cover(&clock.writes, at(7, 1, 900), 1));
    let session = Session::from_bookmark(Asks::At(at(7, 1, 100)));
    assert_eq!(session.need(&clock.writes), ReadRequirement::Primary);
    session.settled_bookmark(&session.waiting()[0]);
    assert_eq!(session.need(&clock.writes), ReadRequirement::Nothing);
    assert!(session.stays_until().is_none());
    let mark = Asks::Primary { until: u64::MAX };
    session.observe(mark);
    assert!(session.waiting()[0].is_early());
    // Whatever it says, it is believed for as long as an unresolved write may last, and no longer.
    assert!(session.stays_until() < Some(u64::MAX));
    session.observe(Asks::Primary { until: 0 });
    assert!(!session.waiting()[1].is_early());
}

/// C11: it stands for what the primary has when it comes, so what was asked for the first says nothing for the second.
#[test]
fn a_bookmark_of_unknown_place_that_comes_again_is_waited_for_anew() {
    let mark = Asks::Primary { until: 0 };
    let session = Session::from_bookmark(mark.clone());
    let mut first = session.waiting()[0].clone();
    session.observe(mark);
    first.question = Some(1);
    session.note_waiting(&first);
    session.settled_bookmark(&first);
    let [second] = &session.waiting()[..] else {
        panic!("{:?}", session.waiting());
    };
    assert!(second.question.is_none());
    session.settled_bookmark(second);
    assert!(!session.has_rest());
}
