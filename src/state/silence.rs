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
use super::{Moment, NodeState, Suspicion};
use crate::signal::Signal;
use crate::vocabulary::NodeId;

/// How long nodes that are all silent are waited for after the first question without an answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// How long a node is waited for that is silent while this process is held up, however little time it has.
const MOST: Duration = Duration::from_secs(30);

/// How much later than it was due a look may come in a process that has time.
const LATE: Duration = Duration::from_millis(25);

/// Which part of a silence this process was held up, one in so many, where the silence may be its own.
const PART: u32 = 4;

impl Suspicion {
    /// Takes in a look that comes now and was due then.
    pub(super) fn take_look(&mut self, due: Moment, now: Moment) {
        self.held_up += self.late(due, now);
    }

    /// How much of the time since this arose such a look is late.
    fn late(&self, due: Moment, now: Moment) -> Duration {
        now.since(due.after(LATE).max(self.since))
    }
}

impl Step<'_> {
    /// Whether the silence of this node, of which this suspicion is, proves nothing yet.
    pub(super) fn may_be_ours(&self, id: NodeId, suspicion: Suspicion, signal: Signal) -> bool {
        let now = self.now;
        let (since, due) = (suspicion.since, self.state.next_look());
        let held_up =
            suspicion.held_up + due.map_or(Duration::ZERO, |due| suspicion.late(due, now));
        let waited = now.since(since);
        let is_held_up = !held_up.is_zero() && held_up * PART >= waited;
        let heard = |node: &NodeState| node.probe.heard.is_some_and(|heard| heard >= since);
        let mut others = self.state.members().filter(|node| node.id != id);
        signal == Signal::TimedOut
            && waited < MOST
            && waited.saturating_sub(held_up) < PATIENCE
            && (is_held_up || !others.any(heard))
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
