//! Who looks after positions: one task that asks the primary, and one for each replica.

use std::sync::{Arc, atomic::Ordering};

use super::{capture::Capture, replay, shared::Shared};
use crate::vocabulary::Role;

/// Finds out whether there are positions, and keeps them known from then on.
pub(super) async fn look_after(shared: &Arc<Shared>) {
    if !shared.positions.load(Ordering::Acquire) {
        return;
    }
    let mut capture = Capture::default();
    if shared.snapshot.has_replicas() {
        capture.first(shared).await;
    }
    capture.spawn(shared);
    follow_all(shared);
}

/// Lets tasks be forgotten whose writes every replica has replayed.
pub(super) fn sweep(shared: &Shared) {
    let tasks = &shared.clock.tasks;
    if tasks.len() == 0 {
        return;
    }
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter().zip(snapshot.members());
    let replicas: Vec<_> = nodes
        .filter(|(node, _)| node.role == Role::Replica)
        .map(|(_, member)| member)
        .collect();
    if replicas.is_empty() {
        return;
    }
    tasks.sweep(&shared.clock, |need| {
        replicas
            .iter()
            .all(|member| member.node.replayed.covers(need))
    });
}

/// Begins to ask those replicas that nobody asks yet.
pub(super) fn follow_all(shared: &Arc<Shared>) {
    if !shared.positions.load(Ordering::Acquire) {
        return;
    }
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter().zip(snapshot.members());
    for (_, member) in nodes.filter(|(node, _)| node.role == Role::Replica) {
        let node = &member.node;
        if node.direct.is_some() && !node.followed.swap(true, Ordering::AcqRel) {
            replay::follow(shared, node);
        }
    }
}
