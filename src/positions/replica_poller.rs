//! Asks each replica how far it has replayed (rules C4, C5): a task and a connection of its own for each, so that none
//! waits for another.
//!
//! Once a second while nobody asks. While reads are kept on the primary for want of a covering replica, in steps of 1,
//! 2 and 5 ms, whatever the number of those reads.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::time::Instant;

use super::{background_runtime, rate::Rate, sampling_demand::Demand, sql, tracker::Tracker};
use crate::{
    causality::{Current, ReplayReport},
    metrics::ClusterCounter,
    node::Node,
};

/// Between two questions while somebody does.
const STEPS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
];

/// The most time between two questions to one replica.
const MOST: Duration = Duration::from_secs(1);

/// Between two attempts on a replica that does not answer (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// How long a demand is taken for one that goes on: whoever read now and was sent to the primary reads again soon.
const LINGER: Duration = Duration::from_millis(100);

/// Asks this replica for as long as it is one of the cluster's.
pub(super) fn follow(tracker: &Arc<Tracker>, node: &Arc<Node>) {
    let (weak, following) = (Arc::downgrade(tracker), Arc::downgrade(node));
    let mut alive = tracker.snapshot.subscribe();
    background_runtime::spawn(async move {
        let mut conn = None;
        let (mut pace, mut rate) = (Pace::new(), Rate::new());
        while let Some(demand) = ask(&weak, &following, &mut conn, &mut pace).await {
            let waiting = async {
                match pace.next() {
                    Next::Pause => tokio::time::sleep(PAUSE).await,
                    Next::Within(most) => {
                        demand.quiet(pace.heard, most).await;
                        rate.take().await;
                    }
                }
            };
            tokio::select! {
                () = waiting => {}
                // Whoever is gone from the topology is found gone by the next upgrade.
                changed = alive.changed() => if changed.is_err() { return },
            }
        }
    });
}

/// One question; nothing when the replica, or the cluster, is gone.
async fn ask(
    weak: &Weak<Tracker>,
    node: &Weak<Node>,
    conn: &mut Option<sql::Direct>,
    pace: &mut Pace,
) -> Option<Arc<Demand>> {
    let tracker = weak.upgrade().filter(|tracker| !tracker.is_over())?;
    let node = node.upgrade().filter(|node| !node.link.is_closed())?;
    pace.hear(tracker.demand.asked());
    tracker.count(ClusterCounter::Sample);
    let limit = tracker.config.connect_timeout;
    let sampled = tokio::time::timeout(limit, sample(&tracker, &node, conn)).await;
    let answered = match sampled {
        Ok(Ok(replay)) => {
            tracker.learn(node.id, &node.replayed, replay);
            super::sweep(&tracker);
            true
        }
        // What was known stays known: it was true of the life that every open connection still belongs to.
        Ok(Err(_)) | Err(_) => {
            *conn = None;
            false
        }
    };
    pace.failed = !answered;
    pace.satisfied = node.replayed.covers(Current::Process.need(&tracker.clock));
    Some(Arc::clone(&tracker.demand))
}

async fn sample(
    tracker: &Tracker,
    node: &Node,
    conn: &mut Option<sql::Direct>,
) -> Result<ReplayReport, DbErr> {
    let mut open = match (conn.take(), &node.direct) {
        (Some(open), _) => open,
        // Its probes knock at its door, and nobody else (T1).
        (None, _) if tracker.snapshot.is_ejected(node.id) => {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        }
        (None, Some(direct)) => {
            let open = sql::open(&tracker.config, direct, "sealane-replay").await?;
            node.replayed.begin_life();
            open
        }
        (None, None) => return Err(DbErr::Custom("not a server of our own".to_owned())),
    };
    let replay = open.sample().await?;
    *conn = Some(open);
    Ok(ReplayReport {
        life: Some(node.replayed.life()),
        ..replay
    })
}

/// When the next question is due.
struct Pace {
    /// How many demands there had been when the last question was put.
    heard: u64,
    /// When the last demand was heard of.
    demanded: Option<Instant>,
    failed: bool,
    satisfied: bool,
    step: usize,
}

impl Pace {
    fn new() -> Self {
        Self {
            heard: 0,
            demanded: None,
            failed: false,
            satisfied: true,
            step: 0,
        }
    }

    fn hear(&mut self, asked: u64) {
        if asked != self.heard {
            self.heard = asked;
            self.demanded = Some(Instant::now());
            self.step = 0;
        }
    }

    fn next(&mut self) -> Next {
        if self.failed {
            return Next::Pause;
        }
        let asked_for = self.demanded.is_some_and(|since| since.elapsed() < LINGER);
        if self.satisfied || !asked_for {
            self.step = 0;
            return Next::Within(MOST);
        }
        let step = STEPS[self.step];
        self.step = (self.step + 1).min(STEPS.len() - 1);
        Next::Within(step)
    }
}

/// How long to wait before the next question.
enum Next {
    /// The fixed pause after a failure, whoever asks.
    Pause,
    /// As long at the most, unless somebody asks.
    Within(Duration),
}
