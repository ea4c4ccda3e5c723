//! Finds nodes that are silent while something waits for their answer (T6).
//!
//! Counters are compared every 25 ms: a node on which something is in flight and nothing has ended for so long
//! is suspicious, and then every node is asked what it is. What runs goes on; only a verdict ends it. A timer for each
//! statement was rejected: it costs every statement what only a frozen server's would need. A long statement that runs
//! alone looks the same, so the questions about one silence come less and less often.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::shared::Shared;
use crate::vocabulary::NodeId;

/// How often the counters are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long nothing may end on a node before it is suspicious.
const SUSPECT_AFTER: Duration = Duration::from_millis(50);

/// The most time between two questions about one silence.
const MOST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Stalls {
    seen: HashMap<NodeId, Seen>,
    next: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// How many had ended by then.
    ended: u64,
    /// Since when none has, or the last question about that.
    since: Instant,
    patience: Duration,
}

impl Stalls {
    pub(super) fn new() -> Self {
        Self {
            seen: HashMap::new(),
            next: Instant::now(),
        }
    }

    /// When to look again.
    pub(super) fn next_due(&self) -> Instant {
        self.next
    }

    /// Whether some node has become suspicious.
    pub(super) fn look(&mut self, shared: &Shared, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + LOOK_EVERY;
        let snapshot = shared.snapshot.load();
        let mut suspicious = false;
        for member in snapshot.nodes().map(|node| node.member) {
            let (begun, ended) = member.metrics.progress();
            let fresh = Seen {
                ended,
                since: now,
                patience: SUSPECT_AFTER,
            };
            let seen = self.seen.entry(member.node.id).or_insert(fresh);
            if begun == ended || seen.ended != ended {
                *seen = fresh;
            } else if now.saturating_duration_since(seen.since) >= seen.patience {
                seen.since = now;
                seen.patience = (seen.patience * 2).min(MOST);
                suspicious = true;
            }
        }
        suspicious
    }

    /// The node is gone.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.seen.remove(&id);
    }
}
