//! Which probes are ordered and which run: at most one at a time for each node.

use std::collections::HashMap;

use futures_util::FutureExt;

use super::{
    inbox::{TaskInbox, TaskReport},
    nodes::Probe,
};
use crate::{backend::MonitorConnection, state::Moment, vocabulary::NodeId};

/// The orders, by node.
#[derive(Debug, Default)]
pub(super) struct Probes(HashMap<NodeId, ProbeSlot>);

#[derive(Debug, Default)]
struct ProbeSlot {
    at: Option<Moment>,
    running: bool,
    /// The connection of the probe that runs is not to be kept.
    renew: bool,
    /// The node's own connection, while no probe runs on it.
    wire: MonitorConnection,
}

impl Probes {
    /// The checks of nodes that the start has asked on these connections. Each goes on with its own for a while: many processes
    /// that start at one time have enough to do with the logins that statements wait for.
    pub(super) fn begin(wires: HashMap<NodeId, MonitorConnection>) -> Self {
        let slot = |(id, mut wire): (NodeId, MonitorConnection)| {
            wire.outlive_start();
            let slot = ProbeSlot {
                wire,
                ..ProbeSlot::default()
            };
            (id, slot)
        };
        Self(wires.into_iter().map(slot).collect())
    }

    /// Probe this node then. Replaces an order that has not begun.
    pub(super) fn order(&mut self, id: NodeId, at: Moment) {
        self.0.entry(id).or_default().at = Some(at);
    }

    /// The moment at which the next one is to begin.
    pub(super) fn next_due(&self) -> Option<Moment> {
        self.0
            .values()
            .filter(|slot| !slot.running)
            .filter_map(|slot| slot.at)
            .min()
    }

    /// The nodes whose probe is to begin now.
    pub(super) fn due(&self, now: Moment) -> Vec<NodeId> {
        let due = |slot: &ProbeSlot| !slot.running && slot.at.is_some_and(|at| at <= now);
        self.0
            .iter()
            .filter(|(_, slot)| due(slot))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether one runs.
    pub(super) fn is_running(&self) -> bool {
        self.0.values().any(|slot| slot.running)
    }

    /// Begins it. A node that is gone has no probe, and then the order is forgotten.
    pub(super) fn run(
        &mut self,
        id: NodeId,
        begun: Moment,
        probe: Option<Probe>,
        outbox: &TaskInbox,
    ) {
        let Some(probe) = probe else {
            self.0.remove(&id);
            return;
        };
        let slot = self.0.entry(id).or_default();
        slot.at = None;
        slot.running = true;
        let mut wire = std::mem::take(&mut slot.wire);
        let outbox = outbox.clone();
        tokio::spawn(
            async move {
                let event = probe.run(begun, &mut wire).await;
                outbox.send(TaskReport::Probed(id, Box::new(event), wire));
            }
            .boxed(),
        );
    }

    /// The next probe connects anew.
    pub(super) fn renew(&mut self, id: NodeId) {
        if let Some(slot) = self.0.get_mut(&id) {
            slot.wire = MonitorConnection::default();
            slot.renew = slot.running;
        }
    }

    /// Keeps the connection of a probe that was made before the node took its place.
    pub(super) fn keep(&mut self, id: NodeId, wire: MonitorConnection) {
        self.0.entry(id).or_default().wire = wire;
    }

    /// The probe of a node has ended, whichever way.
    pub(super) fn ended(&mut self, id: NodeId, wire: MonitorConnection) {
        if let Some(slot) = self.0.get_mut(&id) {
            slot.running = false;
            slot.wire = match std::mem::take(&mut slot.renew) {
                true => MonitorConnection::default(),
                false => wire,
            };
        }
    }

    /// The node is gone; a probe that still runs ends in news that nobody wants.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.0.remove(&id);
    }
}
