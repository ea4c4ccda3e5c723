//! Asks each replica how far it has replayed (rules C4, C5): a task and a connection of its own for each, so that none
//! waits for another.
//!
//! Once a second while nobody asks, whatever is left while somebody waits, and else within the allowance of the cluster
//! ([`pace`](super::pace) says when).

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbErr};

use super::{
    background_runtime,
    pace::{Next, Pace, Price, Standing},
    rate::Rate,
    sql,
    tracker::Tracker,
};
use crate::{
    causality::{ReplayReport, allowance},
    metrics::ClusterCounter,
    node::Node,
    vocabulary::Role,
};

/// Asks this replica for as long as it is one of the cluster's.
pub(super) fn follow(tracker: &Arc<Tracker>, node: &Arc<Node>) {
    let one = FollowedReplica {
        tracker: Arc::downgrade(tracker),
        node: Arc::downgrade(node),
    };
    let mut alive = tracker.snapshot.subscribe();
    background_runtime::spawn(async move {
        let mut conn = None;
        let (mut pace, mut rate) = (Pace::new(Instant::now()), Rate::new());
        while one.ask(&mut conn, &mut pace).await.is_some() {
            tokio::select! {
                () = one.until_due(&pace, &mut rate) => {}
                // Whoever is gone from the topology is found gone by the next upgrade.
                changed = alive.changed() => if changed.is_err() { return },
            }
        }
    });
}

/// The replica that is asked, and for whom.
struct FollowedReplica {
    tracker: Weak<Tracker>,
    node: Weak<Node>,
}

impl FollowedReplica {
    fn upgrade(&self) -> Option<(Arc<Tracker>, Arc<Node>)> {
        let tracker = self.tracker.upgrade().filter(|own| !own.is_over())?;
        let node = self.node.upgrade().filter(|own| !own.link.is_closed())?;
        Some((tracker, node))
    }

    /// One question; nothing when the replica, or the cluster, is gone.
    async fn ask(&self, conn: &mut Option<sql::Direct>, pace: &mut Pace) -> Option<()> {
        let (tracker, node) = self.upgrade()?;
        pace.put(Instant::now(), tracker.demand.asked());
        tracker.count(ClusterCounter::Sample);
        tracker.clock.allowance.lock().spend();
        let behind = tracker.clock.writes.uncovered(node.replayed.known());
        let limit = tracker.config.connect_timeout;
        let sampled = tokio::time::timeout(limit, sample(&tracker, &node, conn)).await;
        let answered = match sampled {
            Ok(Ok(replay)) => {
                tracker.learn(node.id, &node.replayed, replay);
                super::sweep(&tracker);
                true
            }
            // What was known stays known: it was true of the incarnation that every open connection still belongs to.
            Ok(Err(_)) | Err(_) => {
                *conn = None;
                false
            }
        };
        pace.failed = !answered;
        let still = tracker.clock.writes.uncovered(node.replayed.known());
        if let Some(since) = behind.filter(|since| still.is_none_or(|still| still > *since)) {
            pace.caught_up(since.elapsed());
        }
        Some(())
    }

    /// Waits until the next question is due; at once where the replica or the cluster is gone.
    async fn until_due(&self, pace: &Pace, rate: &mut Rate) {
        let mut wished = false;
        loop {
            let Some((tracker, node)) = self.upgrade() else {
                return;
            };
            let demand = Arc::clone(&tracker.demand);
            // From here on no wish is missed, whatever is looked at next.
            let wish = demand.wished();
            let next = match pace.next(&standing(&tracker, &node)) {
                Next::Idle(_) if wished => Next::Afford(Duration::ZERO, Price::Sample),
                next => next,
            };
            let affords = |price: Price| tracker.can_afford(price.wanted());
            let step = match next {
                Next::Afford(Duration::ZERO, price) if affords(price) => Duration::ZERO,
                Next::Afford(Duration::ZERO, _) => allowance::RECKONED,
                Next::Pause(step)
                | Next::Within(step)
                | Next::Idle(step)
                | Next::Afford(step, _) => step,
            };
            // Who sleeps keeps nothing alive.
            drop((tracker, node));
            let asked = demand.asked_beyond(pace.heard);
            match next {
                Next::Pause(_) => return tokio::time::sleep(step).await,
                Next::Afford(Duration::ZERO, _) if step.is_zero() => return rate.take().await,
                Next::Within(_) => {
                    // Either will do.
                    let _ = tokio::time::timeout(step, asked).await;
                    return rate.take().await;
                }
                Next::Idle(_) => tokio::select! {
                    () = asked => {}
                    () = wish => wished = true,
                    () = tokio::time::sleep(step) => return,
                },
                Next::Afford(..) => tokio::select! {
                    () = asked => {}
                    () = tokio::time::sleep(step) => {}
                },
            }
        }
    }
}

/// What the next question depends on.
fn standing(tracker: &Tracker, node: &Arc<Node>) -> Standing {
    let uncovered = |of: &Node| tracker.clock.writes.uncovered(of.replayed.known());
    let snapshot = tracker.snapshot.load();
    let mut others = snapshot
        .nodes()
        .filter(|other| other.seen.role == Role::Replica && !Arc::ptr_eq(&other.member.node, node));
    Standing {
        now: Instant::now(),
        asked: tracker.demand.asked(),
        awaited: tracker.demand.is_awaited(),
        behind_since: uncovered(node),
        plenty: tracker.can_afford(allowance::FOR_ANOTHER),
        another_covers: others.any(|other| uncovered(&other.member.node).is_none()),
    }
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
            node.replayed.poller_opened();
            open
        }
        (None, None) => return Err(DbErr::Custom("not a server of our own".to_owned())),
    };
    let replay = open.sample().await?;
    *conn = Some(open);
    Ok(ReplayReport {
        connection: Some(node.replayed.poller_openings()),
        ..replay
    })
}
