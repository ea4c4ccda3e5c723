//! What one node by itself says of the role: whether it claims it, may have it, and which server it is (T3, T4).

use crate::state::{Fact, NodeHealth, NodeState, State};

/// The epoch in which a node of this cluster claims to be the primary, or did when it was last heard of.
pub(super) fn claimed(node: &NodeState, state: &State) -> Option<u64> {
    let Fact::Known(epoch) = node.said.epoch else {
        return None;
    };
    let ours = match (node.said.identity, state.primaryship.identity) {
        (Fact::Known(own), Some(home)) => own == home,
        _ => true,
    };
    (node.is_member() && ours && node.said.in_recovery == Fact::Known(false)).then_some(epoch)
}

/// Whether the node is the primary for all that is known: not in recovery, and not found dead by its monitor. One
/// broken connection is no death here, or a copy would win with the next backend that somebody terminates; neither is a
/// refused login, which a wrong password makes of a primary that lives.
pub(super) fn may_reign(node: &NodeState) -> bool {
    let dead =
        matches!(node.condition.health, NodeHealth::Ejected { failures, .. } if failures > 1);
    (node.condition.rejected || !dead) && node.said.in_recovery != Fact::Known(true)
}

/// Whether these are one server under two names (T4). Its address does not tell: `localhost` may lead to `::1`, and a
/// socket has none. No two servers of one cluster are started in the same microsecond.
pub(super) fn same_server(one: &NodeState, other: &NodeState) -> bool {
    let same = |one: &Fact<u64>, other: &Fact<u64>| match (one, other) {
        (Fact::Known(one), Fact::Known(other)) => one == other,
        _ => false,
    };
    let started = one.said.started.is_some() && one.said.started == other.said.started;
    same(&one.said.server, &other.said.server)
        || (started && same(&one.said.identity, &other.said.identity))
}
