//! A stall detector by counters: finds nodes that are silent while something waits for their answer (T6).
//!
//! The worker counts every 25 ms what has begun and ended on each node: one on which something is in flight and nothing
//! has ended for so long is suspicious, and then every node is asked what it is. What runs goes on; only a verdict ends
//! it. A timer for each statement was rejected: it costs every statement what only a frozen server's would need. A long
//! statement that runs alone looks the same, so the questions about one silence come less and less often.

use std::time::Duration;

use super::step::Step;
use super::{Moment, State};
use crate::vocabulary::NodeId;

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long nothing may end on a node before it is suspicious.
const SUSPECT_AFTER: Duration = Duration::from_millis(50);

/// The most time between two questions about one silence.
const MOST: Duration = Duration::from_secs(1);

/// How many statements have begun on a node so far, and how many of them have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeProgress {
    pub(crate) node: NodeId,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
}

/// Since when nothing has ended on a node, as far as looks can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standstill {
    /// How many had ended by then.
    ended: u64,
    /// The last look that saw an end or nothing in flight, or the last question about this standstill.
    since: Moment,
    patience: Duration,
}

impl State {
    /// When to look at the counters next; none where no node could take over, since asking changes nothing there.
    #[must_use]
    pub(crate) fn next_look(&self) -> Option<Moment> {
        (self.may_fail_over() && !self.sleeping.asleep).then_some(self.look_at)
    }
}

/// The counters of all nodes, as they stand.
pub(super) fn look(step: &mut Step<'_>, counted: &[NodeProgress]) {
    let now = step.now;
    if !step.state.may_fail_over() {
        return;
    }
    let due = std::mem::replace(&mut step.state.look_at, now.after(LOOK_EVERY));
    for node in &mut step.state.nodes {
        if let Some(suspicion) = &mut node.condition.suspicion {
            suspicion.take_look(due, now);
        }
    }
    let mut suspicious = false;
    for progress in counted {
        if let Some(node) = step.node_mut(progress.node) {
            let known = &mut node.condition.standstill;
            let standstill = known.get_or_insert(Standstill::new(progress, now));
            suspicious |= standstill.take_look(progress, now);
        }
    }
    if suspicious {
        step.ask_everyone();
    }
}

impl Standstill {
    fn new(progress: &NodeProgress, now: Moment) -> Self {
        Self {
            ended: progress.ended,
            since: now,
            patience: SUSPECT_AFTER,
        }
    }

    /// Takes a look in; whether nothing has ended for too long now.
    fn take_look(&mut self, progress: &NodeProgress, now: Moment) -> bool {
        if progress.begun == progress.ended || progress.ended != self.ended {
            *self = Self::new(progress, now);
            return false;
        }
        let lasts = now.since(self.since) >= self.patience;
        if lasts {
            self.since = now;
            self.patience = (self.patience * 2).min(MOST);
        }
        lasts
    }
}
