//! Whose silence it is: a node's, or this process's own (T6).
//!
//! A node that does not answer while another one does is silent itself. Where nobody answers, what all of them have in common
//! is this process: too little processor time, or a network that is gone. Found dead then, a busy process took its whole
//! cluster out of use, and what a plain pool would only have waited for was cut off. So the verdict waits for a witness, which
//! is asked for at once, and not for ever: nothing else ends a statement that is never answered.
//!
//! That each node is given more time was rejected: a primary that hangs alone would be found later by as much.

use std::time::Duration;

use super::backoff::CONNECT_EVERY;
use super::step::Step;
use super::{Moment, NodeState};
use crate::signal::Signal;
use crate::vocabulary::NodeId;

/// How long nodes that are all silent are waited for after the first question without an answer.
const PATIENCE: Duration = Duration::from_secs(6);

impl Step<'_> {
    /// Whether the silence of this node, suspected since then, proves nothing yet.
    pub(super) fn may_be_ours(&self, id: NodeId, since: Moment, signal: Signal) -> bool {
        let heard = |node: &NodeState| node.probe.heard.is_some_and(|heard| heard >= since);
        let mut others = self.state.members().filter(|node| node.id != id);
        signal == Signal::TimedOut && self.now < since.after(PATIENCE) && !others.any(heard)
    }

    /// Asks the others, who know whether this process hears anybody. Those found dead as well: a refusal is an answer.
    pub(super) fn ask_witnesses(&mut self, silent: NodeId) {
        let now = self.now;
        let others = self.state.members().filter(|node| node.id != silent);
        let due = |node: &NodeState| match (node.is_ejected(), node.probe.ended) {
            (true, Some(ended)) => ended.after(CONNECT_EVERY).max(now),
            _ => now,
        };
        let asked: Vec<_> = others.map(|node| (node.id, due(node))).collect();
        for (id, at) in asked {
            self.ask_probe(id, at);
        }
    }
}
