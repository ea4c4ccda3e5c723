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
    direct::{self, Direct},
    pace::{Next, Pace, PollState, Price},
    rate::Rate,
    tracker::Tracker,
};
use crate::{
    backend::Patience,
    causality::{ReplayReport, allowance},
    metrics::ClusterCounter,
    node::Node,
    signal,
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
        let (mut conn, mut question) = (None, Sampling::Now);
        let (mut pace, mut rate) = (Pace::new(Instant::now()), Rate::new());
        while one.ask(&mut conn, &mut pace, question).await.is_some() {
            let holds = pace.holds && conn.as_ref().is_some_and(Direct::can_hold);
            question = tokio::select! {
                due = one.until_due(&pace, &mut rate, holds) => due,
                // Whoever is gone from the topology is found gone by the next upgrade.
                changed = alive.changed() => match changed {
                    Ok(()) => Sampling::Now,
                    Err(_) => return,
                },
            }
        }
    });
}

/// How a server says that it cannot be left to wait: it does not know how, or not on this connection.
const REFUSALS: [&str; 4] = ["42601", "0A000", "25001", "55000"];

/// What the replica is asked next.
#[derive(Clone, Copy, Debug)]
enum Sampling {
    /// How far it has come now.
    Now,
    /// How far it has come when it has replayed this position, or after so long.
    Hold { lsn: u64, most: Duration },
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
    async fn ask(
        &self,
        conn: &mut Option<Direct>,
        pace: &mut Pace,
        question: Sampling,
    ) -> Option<()> {
        let (tracker, node) = self.upgrade()?;
        let now = Instant::now();
        pace.put(now, tracker.demand.asked());
        if conn.is_none() {
            pace.opens(now);
        }
        tracker.count(ClusterCounter::Sample);
        tracker.clock.allowance.lock().spend();
        let behind = behind_since(&tracker, &node);
        let first = tracker.config.connect_timeout;
        let limit = match conn {
            Some(_) => first,
            None => pace.patience.limit(first),
        };
        let sampled = tokio::time::timeout(limit, sample(&tracker, &node, conn, question)).await;
        pace.patience = match sampled {
            Err(_) => pace.patience.took_longer(),
            Ok(_) => Patience::default(),
        };
        let answered = match sampled {
            Ok(Ok(replay)) => {
                tracker.learn(node.id, &node.replayed, &replay);
                if parts(&tracker, &node, pace, &replay) {
                    *conn = None;
                }
                super::sweep(&tracker);
                true
            }
            // What was known stays known: it was true of the incarnation that every open connection still belongs to.
            failed => {
                *conn = None;
                // Where it does not like to be left to wait it is asked as before.
                let refused = |err: &DbErr| {
                    let code = signal::code(err);
                    code.is_some_and(|code| REFUSALS.contains(&&*code))
                };
                pace.holds &= !matches!(failed, Ok(Err(err)) if refused(&err));
                false
            }
        };
        pace.failed = !answered;
        let still = behind_since(&tracker, &node);
        if let Some(since) = behind.filter(|since| still.is_none_or(|still| still > *since)) {
            pace.caught_up(since.elapsed());
        }
        Some(())
    }

    /// Waits until the next question is due; at once where the replica or the cluster is gone.
    async fn until_due(&self, pace: &Pace, rate: &mut Rate, holds: bool) -> Sampling {
        let mut wished = false;
        loop {
            let Some((tracker, node)) = self.upgrade() else {
                return Sampling::Now;
            };
            let demand = Arc::clone(&tracker.demand);
            // From here on no wish is missed, whatever is looked at next.
            let wish = demand.wished();
            let next = match pace.next(&standing(&tracker, &node, holds)) {
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
                Next::Hold { .. } => Duration::ZERO,
            };
            // Who sleeps keeps nothing alive.
            drop((tracker, node));
            let asked = demand.asked_beyond(pace.heard);
            match next {
                Next::Pause(_) => {
                    tokio::time::sleep(step).await;
                    return Sampling::Now;
                }
                Next::Hold { lsn, most } => {
                    rate.take().await;
                    return Sampling::Hold { lsn, most };
                }
                Next::Afford(Duration::ZERO, _) if step.is_zero() => break,
                Next::Within(_) => {
                    // Either will do.
                    let _ = tokio::time::timeout(step, asked).await;
                    break;
                }
                Next::Idle(_) => tokio::select! {
                    () = asked => {}
                    () = wish => wished = true,
                    () = tokio::time::sleep(step) => return Sampling::Now,
                },
                Next::Afford(..) => tokio::select! {
                    () = asked => {}
                    () = tokio::time::sleep(step) => {}
                },
            }
        }
        rate.take().await;
        Sampling::Now
    }
}

/// Whether another one of the servers behind this name is to be asked next: the one that says this lacks what somebody waits
/// for, and the one beside it may have it.
fn parts(tracker: &Tracker, node: &Node, pace: &Pace, replay: &ReplayReport) -> bool {
    if !node.replayed.is_mixed() {
        return false;
    }
    let writes = &tracker.clock.writes;
    let (epoch, lsn) = writes.observe(replay);
    let is_current = epoch == Some(writes.epoch());
    let lsn = lsn.filter(|_| is_current).unwrap_or(0);
    let awaited = tracker.demand.awaited_behind(lsn);
    awaited.is_some_and(|awaited| pace.parts(Instant::now(), awaited.since))
}

/// Since when the first capture is known that it has not replayed.
fn behind_since(tracker: &Tracker, node: &Node) -> Option<Instant> {
    let (epoch, lsn) = node.replayed.known();
    tracker.clock.writes.uncovered(epoch, lsn)
}

/// What the next question depends on.
fn standing(tracker: &Tracker, node: &Arc<Node>, holds: bool) -> PollState {
    let (epoch, lsn) = node.replayed.known();
    let awaited = tracker.demand.awaited_behind(lsn);
    // Where no position of it proves anything, its server would answer at once, again and again.
    let holds = holds && epoch != 0 && !node.replayed.is_mixed();
    let snapshot = tracker.snapshot.load();
    let mut others = snapshot
        .nodes()
        .filter(|other| other.seen.role == Role::Replica && !Arc::ptr_eq(&other.member.node, node));
    PollState {
        now: Instant::now(),
        asked: tracker.demand.asked(),
        awaited: tracker.demand.is_awaited(),
        // What is waited for need not be what a capture told.
        behind_since: behind_since(tracker, node)
            .into_iter()
            .chain(awaited.map(|awaited| awaited.since))
            .min(),
        plenty: tracker.can_afford(allowance::FOR_ANOTHER),
        holds_for: awaited.and_then(|awaited| awaited.lsn).filter(|_| holds),
        another_covers: others.any(|other| behind_since(tracker, &other.member.node).is_none()),
    }
}

async fn sample(
    tracker: &Tracker,
    node: &Node,
    conn: &mut Option<Direct>,
    question: Sampling,
) -> Result<ReplayReport, DbErr> {
    let mut open = match (conn.take(), &node.direct) {
        (Some(open), _) => open,
        // Its probes knock at its door, and nobody else (T1).
        (None, _) if tracker.snapshot.is_ejected(node.id) => {
            return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
        }
        (None, Some(direct)) => {
            let open = direct::open(&tracker.config, direct, "sealane-replay").await?;
            node.replayed.poller_opened();
            open
        }
        (None, None) => return Err(DbErr::Custom("not a server of our own".to_owned())),
    };
    let replay = match question {
        Sampling::Now => open.sample().await?,
        Sampling::Hold { lsn, most } => {
            let executed = || tracker.clock.writes.executed_at(lsn);
            open.sample_when(lsn, executed, most).await?
        }
    };
    *conn = Some(open);
    Ok(ReplayReport {
        connection: Some(node.replayed.poller_openings()),
        ..replay
    })
}
