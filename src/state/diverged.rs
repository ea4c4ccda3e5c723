//! Replicas that have what their primary lacks, where it is told who wrote what (T5, T19).
//!
//! Such a replica was written to, or follows another primary. It is known only by an answer of the primary's that was asked for
//! later: what the primary itself writes a replica may have before the primary is asked again.

use super::step::Step;
use super::{Fact, Moment, NodeState};
use crate::vocabulary::NodeId;

/// Judges what the node's answer says of itself, or the primary's of all others. `begun`: when it was asked.
pub(super) fn judge(step: &mut Step<'_>, id: NodeId, begun: Moment) {
    let now = step.now;
    let state = &mut *step.state;
    let Some(primary) = state.primaryship.primary else {
        return;
    };
    let Some(written) = state
        .node(primary)
        .and_then(|node| node.said.writers.clone())
    else {
        return;
    };
    let mut news = false;
    for node in state.nodes.iter_mut().filter(|node| node.follows_by_log()) {
        let asked = node.id == id || (id == primary && node.probe.ended <= Some(begun));
        let Some(own) = node.said.writers.clone().filter(|_| asked) else {
            continue;
        };
        let before = (node.replay.astray, node.replay.unjudged.is_some());
        if written.contains(&own) {
            (node.replay.astray, node.replay.unjudged) = (false, None);
        } else if id == primary {
            (node.replay.astray, node.replay.unjudged) = (true, None);
        } else if !node.replay.astray && !written.may_contain_by_now(&own) {
            let position = node.said.position.unwrap_or_default();
            node.replay.unjudged = Some((position, now));
        }
        news |= before != (node.replay.astray, node.replay.unjudged.is_some());
    }
    if news {
        step.out.publish();
    }
}

impl NodeState {
    /// Whether the node may be a replica of somebody who tells who wrote what.
    fn follows_by_log(&self) -> bool {
        self.is_member() && self.said.in_recovery != Fact::Known(false) && self.probe.seen
    }
}
