//! Read-your-writes, its half that asks: how far the primary has written, how far each replica has replayed, and the
//! waiting for either (rules C2, C4, C5, C11).
//!
//! One task asks the primary, one each of the replicas, on a thread of their own. What they hear they put into the
//! cluster's clock and the replicas' positions ([`causality`](crate::causality)), which is all that a read looks at.
//! They know the [`Tracker`] alone, and that knows of its cluster what [`ClusterAccess`] says: so nothing here depends on
//! who owns the topology.

pub(crate) mod arrival_requirement;
pub(crate) mod background_runtime;
pub(crate) mod bookmark_check;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod capture;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod capture_answer;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod direct;
#[cfg(feature = "mysql")]
mod gtid;
#[cfg(feature = "mysql")]
mod gtid_sets;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod pace;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod primary_poller;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod rate;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod replica_poller;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite needs no positions")
)]
pub(crate) mod sampling_demand;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite needs no positions")
)]
#[cfg(feature = "testing")]
mod simulated;
#[cfg(feature = "postgres")]
mod sql;
mod telling;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite needs no positions")
)]
pub(crate) mod tracker;
pub(crate) mod wait;
mod wait_budget;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::{Arc, atomic::Ordering};

#[cfg(any(feature = "postgres", feature = "mysql"))]
use self::capture::Capture;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use self::tracker::Tracker;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::{config::Config, node::Node, vocabulary::Role};

/// A connection for the first question to the primary, which is opened beside other work of a start.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) async fn open_ahead(config: &Config, primary: Option<Arc<Node>>) -> Capture {
    match primary {
        Some(primary) => Capture::ahead(config, &primary).await,
        None => Capture::default(),
    }
}

/// Finds out whether there are positions, and keeps them known from then on.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) async fn look_after(tracker: &Arc<Tracker>, mut capture: Capture) {
    if !tracker.has_positions() {
        return;
    }
    if tracker.snapshot.has_replicas() {
        capture.first(tracker).await;
    }
    if tracker.telling.is_to_be_looked_after() {
        primary_poller::spawn(capture, tracker);
    }
    follow_all(tracker);
}

/// Has the primary asked from now on, where nobody asks it yet because positions proved nothing at the start.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn keep_known(tracker: &Arc<Tracker>) {
    if tracker.telling.is_to_be_looked_after() {
        primary_poller::spawn(Capture::default(), tracker);
    }
}

/// Lets tasks be forgotten whose writes every replica has replayed.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn sweep(tracker: &Tracker) {
    let tasks = &tracker.clock.tasks;
    if tasks.len() == 0 {
        return;
    }
    let snapshot = tracker.snapshot.load();
    let replicas: Vec<_> = snapshot
        .nodes()
        .filter(|node| node.seen.role == Role::Replica)
        .map(|node| node.member)
        .collect();
    if replicas.is_empty() {
        return;
    }
    tasks.sweep(&tracker.clock.writes, |need| {
        replicas
            .iter()
            .all(|member| member.node.replayed.covers(need))
    });
}

/// Begins to ask those replicas that nobody asks yet.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) fn follow_all(tracker: &Arc<Tracker>) {
    if !tracker.has_positions() {
        return;
    }
    let snapshot = tracker.snapshot.load();
    let replicas = snapshot.nodes();
    for replica in replicas.filter(|node| node.seen.role == Role::Replica) {
        let node = &replica.member.node;
        if node.direct.is_some() && !node.tasks.followed.swap(true, Ordering::AcqRel) {
            replica_poller::follow(tracker, node);
        }
    }
}
