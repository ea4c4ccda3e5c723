//! What proves how far one of several servers under a name is (rules C4, C6), and for how many copies of a write that speaks (C13).

mod looked_for;

use std::time::{Duration, Instant};

use crate::causality::{
    LedTo, PrimaryWord, Promise, ReadRequirement, ServerNeed, ServerPositions, ServerWord, Upstream,
};

/// What is known of several servers, in milliseconds from a start.
struct Servers {
    start: Instant,
    known: ServerPositions,
}

impl Servers {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            known: ServerPositions::default(),
        }
    }

    /// A question that was sent to this server in this millisecond. Servers whose numbers end alike have one address.
    fn asked(&self, server: u64, at: u64) -> LedTo {
        LedTo::new(
            server,
            Some(server % 10),
            self.start + Duration::from_millis(at),
        )
    }

    /// The answer to it, and the connection on which it came; the primary was asked at once after that.
    fn told(&mut self, server: u64, at: u64, position: Option<(u64, u64)>) -> LedTo {
        let asked = self.told_only(server, at, position);
        if let Some((epoch, _)) = position {
            self.primary(at, epoch, u64::MAX);
        }
        asked
    }

    /// The primary, asked in this millisecond, had come so far.
    fn primary(&mut self, at: u64, epoch: u64, lsn: u64) {
        let asked = self.start + Duration::from_millis(at);
        self.known.judge(PrimaryWord { epoch, lsn, asked });
    }

    /// The same, and nobody has asked the primary since.
    fn told_only(&mut self, server: u64, at: u64, position: Option<(u64, u64)>) -> LedTo {
        let asked = self.asked(server, at);
        let word = ServerWord {
            source: Upstream::Timeline(1),
            epoch: position.map(|(epoch, _)| epoch),
            lsn: position.map(|(_, lsn)| lsn),
        };
        let now = self.start + Duration::from_millis(at);
        self.known.note(asked, word, now);
        asked
    }

    /// As far as the first server is known to be, which has no primary any more, after it has said this in this millisecond.
    fn alone(&mut self, at: u64, source: Upstream, epoch: Option<u64>, lsn: u64) -> Option<u64> {
        let asked = self.asked(1, at);
        let word = ServerWord {
            source,
            epoch,
            lsn: Some(lsn),
        };
        let now = self.start + Duration::from_millis(at);
        self.known.note(asked, word, now);
        self.primary(at, 1, u64::MAX);
        (1..=999)
            .rev()
            .find(|lsn| self.promise(asked, 1, *lsn) == Promise::Covers)
    }

    /// Who has come so far, as told in questions of this millisecond and later ones.
    fn having(&self, epoch: u64, lsn: u64, since: u64) -> Vec<u64> {
        let since = self.start + Duration::from_millis(since);
        self.known.having(epoch, lsn, since)
    }

    fn promise(&self, led_to: LedTo, epoch: u64, lsn: u64) -> Promise {
        let need = ReadRequirement::Position { epoch, lsn };
        self.known.promise(Some(led_to), need)
    }
}

#[test]
fn what_a_connection_says_proves_it_for_the_others_to_its_server() {
    let mut servers = Servers::new();
    let old = servers.told(1, 10, Some((1, 100)));
    assert_eq!(servers.promise(old, 1, 100), Promise::Covers);
    assert_eq!(servers.promise(old, 1, 150), Promise::Unknown);
    let new = servers.told(1, 20, Some((1, 150)));
    assert_eq!(servers.promise(old, 1, 150), Promise::Covers);
    assert_eq!(servers.promise(new, 1, 150), Promise::Covers);
    let need = ReadRequirement::Position { epoch: 1, lsn: 1 };
    let unasked = servers.known.promise(None, need);
    assert_eq!(unasked, Promise::Unknown, "it may lead anywhere");
}

#[test]
fn it_proves_nothing_for_another_server_or_another_epoch() {
    let mut servers = Servers::new();
    let lags = servers.told(1, 10, Some((1, 100)));
    let leads = servers.told(2, 20, Some((1, 200)));
    assert_eq!(servers.promise(lags, 1, 150), Promise::Behind);
    assert_eq!(servers.promise(leads, 1, 150), Promise::Covers);
    assert_eq!(servers.promise(leads, 2, 150), Promise::Unknown);
    // Started again at the same address, it is another one.
    let restarted = servers.asked(3, 30);
    assert_eq!(servers.promise(restarted, 1, 1), Promise::Unknown);
}

/// A backend was killed, and the standby came back behind what it had served, under the same start time.
#[test]
fn it_proves_nothing_for_a_connection_of_the_servers_next_life() {
    let mut servers = Servers::new();
    servers.told(1, 10, Some((1, 900)));
    let after = servers.told(1, 30, Some((1, 300)));
    assert_eq!(servers.promise(after, 1, 900), Promise::Unknown);
    // Of before the crash, and heard of only now.
    servers.told(1, 20, Some((1, 900)));
    assert_eq!(servers.promise(after, 1, 900), Promise::Unknown);
    assert_eq!(servers.promise(after, 1, 300), Promise::Covers);
}

#[test]
fn what_was_forgotten_lets_no_earlier_sample_count() {
    let mut servers = Servers::new();
    let after = servers.told(1, 100, Some((1, 300)));
    for other in 2..=80 {
        servers.told(other, 100 + other, Some((1, 1)));
    }
    assert_eq!(servers.promise(after, 1, 300), Promise::Unknown);
    servers.told(1, 90, Some((1, 900)));
    assert_eq!(servers.promise(after, 1, 900), Promise::Unknown);
}

#[test]
fn a_server_whose_words_prove_nothing_is_asked() {
    let mut servers = Servers::new();
    let one = servers.told(1, 10, Some((1, 100)));
    servers.told(1, 20, None);
    assert_eq!(servers.promise(one, 1, 100), Promise::Unknown);
    let need = ReadRequirement::Primary;
    assert_ne!(servers.known.promise(Some(one), need), Promise::Covers);
}

/// A number says nothing of a history: what was promoted for a trial, or kept what a restore took, shows a greater one.
#[test]
fn a_server_counts_once_the_primary_was_not_behind_it_later() {
    let mut servers = Servers::new();
    let one = servers.told_only(1, 10, Some((1, 100)));
    assert_eq!(servers.promise(one, 1, 50), Promise::Unknown);
    servers.primary(9, 1, 500);
    assert_eq!(servers.promise(one, 1, 50), Promise::Unknown, "before it");
    // Others of the same server come faster than the primary answers.
    servers.told_only(1, 20, Some((1, 120)));
    servers.primary(15, 1, 100);
    assert_eq!(servers.promise(one, 1, 120), Promise::Covers);
    // Another epoch is another history.
    servers.told_only(1, 30, Some((2, 200)));
    assert_eq!(servers.promise(one, 2, 150), Promise::Unknown);
    servers.primary(31, 2, 200);
    assert_eq!(servers.promise(one, 2, 150), Promise::Covers);
}

#[test]
fn one_that_was_ahead_of_the_primary_counts_for_nothing_also_when_that_has_come_past_it() {
    let mut servers = Servers::new();
    let good = servers.told(1, 10, Some((1, 90)));
    let astray = servers.told_only(2, 10, Some((1, 900)));
    assert_eq!(servers.promise(good, 1, 95), Promise::Unknown);
    servers.primary(20, 1, 100);
    servers.told_only(2, 30, Some((1, 900)));
    servers.primary(40, 1, 1_000);
    assert_eq!(servers.promise(astray, 1, 50), Promise::Behind);
    assert!(servers.known.is_astray(astray) && !servers.known.is_astray(good));
    assert_eq!(
        servers.promise(good, 1, 95),
        Promise::Unknown,
        "not behind that one"
    );
    assert_eq!(servers.having(1, 50, 0), [1]);
    // Started again, it is another one.
    let again = servers.told(12, 50, Some((1, 900)));
    assert_eq!(servers.promise(again, 1, 900), Promise::Covers);
}

#[test]
fn on_account_of_a_server_the_primary_is_asked_once_a_second_until_it_counts() {
    let mut servers = Servers::new();
    let asks = |servers: &mut Servers, at: u64| {
        let word = ServerWord {
            source: Upstream::Timeline(1),
            epoch: Some(1),
            lsn: Some(100),
        };
        let now = servers.start + Duration::from_millis(at);
        servers.known.note(servers.asked(1, at), word, now)
    };
    let asked = [10, 20, 1_009, 1_010].map(|at| asks(&mut servers, at));
    assert_eq!(asked, [true, false, false, true]);
    servers.primary(1_011, 1, 100);
    assert!(!asks(&mut servers, 5_000));
}

#[test]
fn each_server_counts_that_has_a_write_and_one_that_was_started_again_counts_once() {
    let mut servers = Servers::new();
    servers.told(1, 10, Some((1, 200)));
    servers.told(2, 20, Some((1, 100)));
    assert_eq!(servers.having(1, 150, 0), [1]);
    assert_eq!(servers.having(1, 100, 0), [1, 2]);
    assert!(servers.having(2, 100, 0).is_empty(), "another history");
    // It is behind what it had told before it was started again.
    servers.told(11, 30, Some((1, 150)));
    assert_eq!(servers.having(1, 150, 0), [11]);
    assert_eq!(servers.having(1, 100, 0), [2, 11]);
    assert!(servers.having(1, 200, 0).is_empty());
    servers.told(11, 40, None);
    assert_eq!(servers.having(1, 100, 0), [2]);
}

#[test]
fn a_server_that_has_told_nothing_since_somebody_waits_counts_for_nothing() {
    let mut servers = Servers::new();
    servers.told(1, 10, Some((1, 200)));
    servers.told(2, 20, Some((1, 200)));
    assert_eq!(servers.having(1, 200, 15), [2]);
    assert!(servers.having(1, 200, 21).is_empty());
    servers.told(1, 30, Some((1, 200)));
    assert_eq!(servers.having(1, 200, 21), [1]);
}

/// Without a primary nobody tells whom it follows.
#[test]
fn a_server_that_was_left_alone_has_what_it_said_to_have_on_its_timeline_and_no_more() {
    let mut servers = Servers::new();
    let (nobody, itself) = (Upstream::Nobody(None), Upstream::Nobody(Some(1)));
    servers.told(1, 10, Some((1, 100)));
    assert_eq!(
        servers.alone(20, nobody, None, 100),
        None,
        "what it followed says nothing"
    );
    assert_eq!(servers.alone(30, itself, Some(1), 100), Some(100));
    assert_eq!(servers.alone(40, nobody, None, 120), Some(100));
    assert_eq!(servers.alone(50, itself, Some(1), 120), Some(120));
    // Behind what it had: a crash, and who knows what it has replayed since.
    assert_eq!(servers.alone(60, nobody, None, 90), None);
    assert_eq!(servers.alone(70, nobody, None, 130), None);
}

/// The look at its files takes longer than the question for its position, which another connection may ask meanwhile.
#[test]
fn what_a_server_said_of_its_timeline_counts_also_where_it_comes_after_a_later_word() {
    let (nobody, itself) = (Upstream::Nobody(None), Upstream::Nobody(Some(1)));
    let mut servers = Servers::new();
    servers.alone(20, nobody, None, 120);
    servers.alone(10, itself, Some(1), 100);
    let last = servers.asked(1, 20);
    assert_eq!(servers.promise(last, 1, 100), Promise::Covers);
    assert_eq!(servers.promise(last, 1, 101), Promise::Unknown);
    // Of before a crash: the later word is behind it.
    let mut servers = Servers::new();
    servers.alone(20, nobody, None, 90);
    servers.alone(10, itself, Some(1), 100);
    let last = servers.asked(1, 20);
    assert_eq!(servers.promise(last, 1, 1), Promise::Unknown);
    // It follows somebody since.
    let mut servers = Servers::new();
    servers.alone(20, Upstream::Timeline(2), None, 120);
    servers.alone(10, itself, Some(1), 100);
    let last = servers.asked(1, 20);
    assert_eq!(servers.promise(last, 1, 100), Promise::Unknown);
}

/// Whether it was started again by a crash meanwhile shows only while it is behind what it had.
#[test]
fn what_a_server_said_of_its_timeline_counts_for_a_second() {
    let (nobody, itself) = (Upstream::Nobody(None), Upstream::Nobody(Some(1)));
    let mut servers = Servers::new();
    servers.alone(10, itself, Some(1), 100);
    assert_eq!(servers.alone(1009, nobody, None, 120), Some(100));
    assert_eq!(servers.alone(1010, nobody, None, 120), None);
}

#[test]
fn a_server_that_went_on_elsewhere_has_nothing_of_what_it_said_when_it_was_left_alone() {
    let elsewhere = [
        (Upstream::NobodyAhead, None),
        (Upstream::Nobody(Some(2)), None),
        (Upstream::Timeline(2), None),
        (Upstream::Hidden(None), None),
    ];
    for (source, epoch) in elsewhere {
        let mut servers = Servers::new();
        servers.alone(10, Upstream::Nobody(Some(1)), Some(1), 100);
        assert_eq!(servers.alone(20, source, epoch, 200), None, "{source:?}");
        let after = servers.alone(30, Upstream::Nobody(None), None, 200);
        assert_eq!(after, None, "{source:?}");
    }
}

#[test]
fn a_servers_files_are_looked_at_twice_a_second_at_the_most() {
    let mut servers = Servers::new();
    let one = servers.told(1, 10, None);
    let at = |ms| servers.start + Duration::from_millis(ms);
    let times = [20, 100, 519, 520, 600].map(at);
    let asked = times.map(|now| servers.known.ask_timeline(one, now));
    assert_eq!(asked, [true, false, false, true, false]);
}

/// T11: what a server lacked a while ago it may have now.
#[test]
fn a_connection_is_good_for_a_read_that_may_miss_anything_where_its_server_is_not_too_far_behind() {
    let mut servers = Servers::new();
    let near = servers.told(1, 10, Some((1, 200)));
    let far = servers.told(2, 20, Some((1, 100)));
    let at = |ms| servers.start + Duration::from_millis(ms);
    let suits = |led_to, least, ms| {
        let need = ServerNeed {
            position: ReadRequirement::Nothing,
            least: Some(least),
        };
        servers.known.suits(led_to, need, at(ms))
    };
    assert_eq!(suits(Some(near), 150, 30), Promise::Covers);
    assert_eq!(suits(Some(near), 150, 90_000), Promise::Covers);
    assert_eq!(suits(Some(far), 150, 30), Promise::Behind);
    assert_eq!(suits(Some(far), 150, 520), Promise::Unknown);
    assert_eq!(suits(None, 150, 30), Promise::Unknown);
    // Its connection was opened after what the server said before, so that one may have been started again.
    let reopened = servers.asked(1, 40);
    assert_eq!(suits(Some(reopened), 150, 50), Promise::Unknown);
}

#[test]
fn a_read_of_a_session_needs_its_position_as_well() {
    let mut servers = Servers::new();
    let near = servers.told(1, 10, Some((1, 200)));
    let suits = |lsn, least| {
        let position = ReadRequirement::Position { epoch: 1, lsn };
        let need = ServerNeed { position, least };
        servers.known.suits(Some(near), need, servers.start)
    };
    assert_eq!(suits(200, Some(150)), Promise::Covers);
    assert_eq!(suits(201, Some(150)), Promise::Unknown);
    assert_eq!(suits(200, None), Promise::Covers);
    assert_eq!(suits(100, Some(201)), Promise::Behind);
}
