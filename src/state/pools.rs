//! What a node's pools are given when it has answered: what could not be opened is tried again, connections that are to be
//! kept are opened, and a replica that may become the primary gets one that may write (T7).
//!
//! Nothing is opened to a node that has not answered: on one that is silent each attempt would last as long as a
//! connection may take. A warm connection for writes was weighed against connecting at the promotion: all writes wait then.

use super::step::Step;
use super::{Effect, Fact, NodeState, PoolNews, State, WalReceiver};
use crate::vocabulary::{NodeId, Role};

/// A pool of this generation was opened, or could not be. The picture has to show it: statements wait there.
pub(super) fn news(step: &mut Step<'_>, id: NodeId, generation: u64, news: PoolNews) {
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if node.generation == generation {
        node.condition.lacks_pool |= news == PoolNews::Missing;
        step.out.publish();
    }
}

/// The node has answered a probe.
pub(super) fn answered(step: &mut Step<'_>, id: NodeId) {
    let may_rise = step.state.may_fail_over();
    let led = step.state.primaryship.primary.is_some();
    let greatest = step.state.primaryship.seen.greatest;
    let Some(node) = step.node_mut(id) else {
        return;
    };
    if !node.is_member() {
        return;
    }
    let is_over = is_over(node, greatest);
    let receives_nothing =
        led && node.role == Role::Replica && node.said.receiver == Fact::Known(WalReceiver::Absent);
    let stands_by = may_rise && node.role == Role::Replica && !is_over;
    if !is_over && std::mem::take(&mut node.condition.lacks_pool) {
        step.out.push(Effect::OpenMissing { node: id });
        step.out.publish();
    }
    // Its connections would be refused at the door, and a pool logs in again and again for each (T5, T7).
    if !is_over && !receives_nothing {
        step.out.answer(Effect::Fill { node: id });
    }
    if stands_by {
        step.out.answer(Effect::StandBy { node: id });
    }
}

/// Whether the node is fenced, or follows a primary that is over.
fn is_over(node: &NodeState, greatest: Option<u64>) -> bool {
    let is_older = |own: u64| greatest.is_some_and(|greatest| own < greatest);
    match node.role {
        Role::Fenced => true,
        Role::Replica => node.said.epoch.known().is_some_and(is_older),
        Role::Primary | Role::Unknown => false,
    }
}

impl State {
    /// Whether another node could take over. Where none could, asking changes nothing.
    #[must_use]
    pub(crate) fn may_fail_over(&self) -> bool {
        let others = self.members().nth(1).is_some();
        others && self.tuning.failover.enabled && self.primaryship.epoch.is_some()
    }
}
