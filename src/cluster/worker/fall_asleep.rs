//! Falling asleep of an idle cluster (T17): whether anybody wants anything is looked at, and what is open is closed.
//!
//! While the cluster sleeps and while it wakes, what comes in is held back until the nodes have answered, as it is while a
//! cluster starts. Statements find the cluster asleep in their snapshot, and wait.

use std::sync::Arc;

use super::{Worker, sleep::Depth};
use crate::{
    cluster::{
        idle::Activity,
        inbox::{HandleOrder, Message, TaskReport},
        nodes,
        probes::Probes,
        shared::Shared,
    },
    state::Event,
};

impl Worker {
    /// Keeps back what a cluster that sleeps cannot hear, and wakes it; what is returned is to be heard now.
    pub(super) fn hold(&mut self, shared: &Shared, message: Message) -> Option<Message> {
        match (self.sleep.depth, message) {
            (
                _,
                message @ Message::Handle(HandleOrder::Close(_) | HandleOrder::ExportMetrics(_)),
            ) => Some(message),
            (Depth::Awake | Depth::Drowsy, message) => {
                if !matches!(message, Message::Task(_) | Message::Word(_))
                    && let Some(idle) = &mut self.sleep.idle
                {
                    idle.note(shared.now());
                }
                Some(message)
            }
            // The answer to what was asked before is out of date.
            (_, Message::Task(TaskReport::Probed(..))) => None,
            // It is said to every handle of the clock, and waits for this one's own statements.
            (_, message @ Message::Word(_)) => {
                self.sleep.held.push_back(message);
                None
            }
            (_, message @ Message::Task(_)) => Some(message),
            (_, message) => {
                self.sleep.held.push_back(message);
                self.wake(shared);
                None
            }
        }
    }

    /// Looks whether the cluster may sleep, or has to wake.
    pub(super) async fn look_whether_idle(&mut self, shared: &Arc<Shared>) {
        let due = self.sleep.next_look().is_some_and(|due| due <= self.now());
        if !due && self.sleep.depth != Depth::Drowsy {
            return;
        }
        let (now, seen) = (self.now(), activity(shared, &self.nodes));
        let Some(idle) = &mut self.sleep.idle else {
            return;
        };
        match self.sleep.depth {
            Depth::Awake | Depth::Drowsy => {
                self.sleep.depth = Depth::Awake;
                if !idle.look(now, seen) || !self.state.may_sleep() {
                    self.sleep.has_asked = false;
                    return;
                }
                // Once, and without waiting for the answer: what other handles write may keep one wanted for ever.
                if !std::mem::replace(&mut self.sleep.has_asked, true) && ask_before_sleep(shared) {
                    return;
                }
                match self.probes.is_running() {
                    true => self.sleep.depth = Depth::Drowsy,
                    false => self.fall_asleep(shared).await,
                }
            }
            Depth::Asleep | Depth::Waking => {
                let has_news = idle.has_news(seen);
                idle.look(now, seen);
                if has_news {
                    self.wake(shared);
                }
            }
        }
    }

    async fn fall_asleep(&mut self, shared: &Arc<Shared>) {
        self.sleep.depth = Depth::Asleep;
        self.dispatch(Event::Sleep).await;
        // Whoever chose a node by the snapshot before is found here, or by the next look: what runs must be looked after.
        let seen = activity(shared, &self.nodes);
        if self
            .sleep
            .idle
            .as_ref()
            .is_some_and(|idle| idle.has_news(seen))
        {
            self.wake(shared);
        }
    }

    /// Closes what is open, and forgets every order of a probe.
    pub(super) fn close_for_sleep(&mut self, shared: &Shared) {
        self.probes = Probes::default();
        for node in self.state.members() {
            let limit = shared.config.acquire_timeout;
            self.nodes.rest(node.id, node.generation, limit);
        }
    }
}

/// What is to be seen of what this handle's statements do. What stands in the clock is of all handles that share it: by
/// that, one which nobody uses would be kept awake by one that is busy, and woken again and again.
fn activity(shared: &Shared, nodes: &nodes::Nodes) -> Activity {
    let (begun, ended) = nodes.progress();
    Activity {
        begun,
        busy: begun != ended
            || shared.admission.waiting() > 0
            || shared.tracker.unresolved.has_orphans()
            || shared.tracker.is_awaited()
            || shared.concrete.is_handed_out(),
    }
}

/// Has the primary asked how far it has written, where some write is not covered by that yet. While a cluster sleeps nobody
/// can ask, and one that wakes without a primary has nothing else to hold its replicas against.
fn ask_before_sleep(shared: &Shared) -> bool {
    let writes = &shared.clock.writes;
    let asks = shared.tracker.has_positions()
        && shared.snapshot.has_replicas()
        && shared.snapshot.primary_node().is_some()
        && writes.wants_capture();
    if asks {
        writes.captures().ask();
    }
    asks
}
