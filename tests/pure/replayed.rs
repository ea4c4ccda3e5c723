//! What a standby's own word on its timeline proves (rules T17, C6).

use std::time::{Duration, Instant};

use crate::causality::{LastReport, ReplayObservation, Replayed, Upstream};

const SERVER: u64 = 7;

/// What one standby said, one answer after the other.
struct Standby {
    known: Replayed,
    begun: Instant,
}

impl Standby {
    fn new() -> Self {
        Self {
            known: Replayed::default(),
            begun: Instant::now(),
        }
    }

    /// As far as it is known to be, after it has said this; `epoch`: the one that its timeline counts as.
    fn says(&mut self, source: Upstream, epoch: Option<u64>, lsn: u64) -> (u64, u64) {
        self.begun += Duration::from_millis(1);
        self.known.learn(&ReplayObservation {
            told: LastReport {
                begun: self.begun,
                server: Some(SERVER),
                source,
                lsn: Some(lsn),
            },
            epoch,
            lsn: Some(lsn),
            complete: false,
            address: None,
            connection: None,
        });
        self.known.known()
    }
}

#[test]
fn one_that_receives_from_nobody_is_where_it_was() {
    let mut standby = Standby::new();
    assert_eq!(standby.says(Upstream::Timeline(1), Some(1), 100), (1, 100));
    assert_eq!(standby.says(Upstream::Nobody(None), None, 110), (1, 110));
}

#[test]
fn one_that_says_that_it_went_on_to_another_timeline_proves_nothing_any_more() {
    let elsewhere = [
        Upstream::Timeline(2),
        Upstream::Nobody(Some(2)),
        Upstream::NobodyAhead,
        Upstream::Hidden(Some(2)),
    ];
    for said in elsewhere {
        let mut standby = Standby::new();
        standby.says(Upstream::Timeline(1), Some(1), 100);
        assert_eq!(standby.says(said, None, 200), (0, 0), "{said:?}");
        let after = standby.says(Upstream::Nobody(None), None, 200);
        assert_eq!(after, (0, 0), "{said:?}, and then nothing");
    }
}

/// Between two looks at its files it may have gone on from an archive.
#[test]
fn one_that_was_asked_is_no_further_than_it_was_then() {
    let mut standby = Standby::new();
    standby.says(Upstream::Timeline(1), Some(1), 90);
    let asked = standby.says(Upstream::Nobody(Some(1)), Some(1), 100);
    assert_eq!(asked, (1, 100));
    assert_eq!(standby.says(Upstream::Nobody(None), None, 200), (1, 100));
}

/// It may have been told to follow another primary since: what it followed before says nothing.
#[test]
fn one_that_may_receive_is_where_its_files_said_that_it_was() {
    let mut standby = Standby::new();
    standby.says(Upstream::Timeline(1), Some(1), 100);
    assert_eq!(standby.says(Upstream::Untold, None, 200), (0, 0));
    let asked = standby.says(Upstream::Nobody(Some(1)), Some(1), 200);
    assert_eq!(asked, (1, 200));
    assert_eq!(standby.says(Upstream::Untold, None, 300), (1, 200));
}
