//! What the worker does of the sleep of an idle cluster (T17): it looks whether anybody wants anything, closes what is open,
//! and has every node asked before anything is sent again.
//!
//! While the cluster sleeps and while it wakes, what comes in is held back until the nodes have answered, as it is while a
//! cluster starts. Statements find the cluster asleep in their snapshot, and wait.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Worker;
use crate::{
    backend::MonitorConnection,
    cluster::{
        idle::{Activity, IdleWatch},
        inbox::{Answered, HandleOrder, Message, TaskInbox, TaskReport},
        nodes,
        probes::Probes,
        shared::Shared,
        source::Source,
    },
    config::{Config, Discovery},
    state::{Event, Fact, Moment},
    vocabulary::NodeId,
};
use sea_orm::{ConnAcquireErr, DbBackend, DbErr};

/// Between two rounds of questions to nodes of which none was a primary (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// How deep the cluster sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Depth {
    #[default]
    Awake,
    /// Nothing is wanted, and the probes that run are waited for.
    Drowsy,
    Asleep,
    /// Every node is being asked what it is.
    Waking,
}

/// Whether the cluster sleeps, and what waits for it to be awake.
#[derive(Default)]
pub(super) struct Sleep {
    /// Nothing where it never does.
    idle: Option<IdleWatch>,
    depth: Depth,
    held: VecDeque<Message>,
}

impl Sleep {
    /// Only pools that are ours can be closed and opened again; a list that is discovered would have to be asked for
    /// before its nodes are, and a database in memory is gone with its last connection.
    pub(super) fn new(shared: &Shared) -> Self {
        let config = &shared.config;
        let can = config.discovery == Discovery::Static && shared.backend != DbBackend::Sqlite;
        let watch = |after| IdleWatch::new(after, shared.now());
        Self {
            idle: config.idle_after.filter(|_| can).map(watch),
            ..Self::default()
        }
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.idle.as_ref().map(IdleWatch::next_look)
    }

    /// Whether no probe is to begin.
    pub(super) fn holds_probes(&self) -> bool {
        self.depth != Depth::Awake
    }

    /// What was held back, one after the other, once the cluster is awake.
    pub(super) fn next_held(&mut self) -> Option<Message> {
        match self.depth {
            Depth::Awake | Depth::Drowsy => self.held.pop_front(),
            Depth::Asleep | Depth::Waking => None,
        }
    }
}

impl Worker {
    /// Keeps back what a cluster that sleeps cannot hear, and wakes it; what is returned is to be heard now.
    pub(super) fn hold(&mut self, shared: &Shared, message: Message) -> Option<Message> {
        match (self.sleep.depth, message) {
            (
                _,
                message @ Message::Handle(HandleOrder::Close(_) | HandleOrder::ExportMetrics(_)),
            ) => Some(message),
            (Depth::Awake | Depth::Drowsy, message) => {
                if !matches!(message, Message::Task(_))
                    && let Some(idle) = &mut self.sleep.idle
                {
                    idle.note(shared.now());
                }
                Some(message)
            }
            // The answer to what was asked before is out of date.
            (_, Message::Task(TaskReport::Probed(..))) => None,
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

    /// Has every node asked what it is.
    pub(super) fn wake(&mut self, shared: &Shared) {
        if self.sleep.depth != Depth::Asleep {
            return;
        }
        self.sleep.depth = Depth::Waking;
        let asked: Vec<(NodeId, Source)> = self
            .state
            .members()
            .filter_map(|node| Some((node.id, self.nodes.source(node.id)?)))
            .collect();
        let (config, origin, outbox) = (shared.config.clone(), self.origin, self.outbox.clone());
        tokio::spawn(async move {
            let answers = ask_everybody(&asked, &config, origin, &outbox).await;
            outbox.send(TaskReport::Woken(answers));
        });
    }

    /// Every node was asked.
    pub(super) async fn woken(&mut self, shared: &Arc<Shared>, answers: Vec<Answered>) {
        let mut events = Vec::new();
        for Answered {
            node,
            mut event,
            wire,
        } in answers
        {
            if let Event::ProbeOk { facts, .. } = &mut event {
                facts.moved = self.nodes.probed(node, facts);
            }
            self.probes.keep(node, wire);
            events.push(event);
        }
        self.sleep.depth = Depth::Awake;
        if let Some(idle) = &mut self.sleep.idle {
            idle.note(shared.now());
        }
        self.dispatch(Event::Woken(events)).await;
        self.note_whose(shared);
    }
}

/// What is to be seen of what statements do.
fn activity(shared: &Shared, nodes: &nodes::Nodes) -> Activity {
    let (begun, ended) = nodes.progress();
    let writes = &shared.clock.writes;
    let captures = writes.captures().is_asked() && shared.tracker.has_positions();
    Activity {
        begun,
        busy: begun != ended
            || shared.admission.waiting() > 0
            || shared.clock.gate.is_shut()
            || writes.open_writes() > 0
            || captures
            || shared.tracker.demand.is_awaited()
            || shared.concrete.is_handed_out(),
    }
}

/// Asks all nodes, all at the same time, until one of them may be the primary; not for so long that a statement which
/// others could serve fails. One that has not answered by then is down, and asked again as any that is.
async fn ask_everybody(
    asked: &[(NodeId, Source)],
    config: &Config,
    origin: Instant,
    outbox: &TaskInbox,
) -> Vec<Answered> {
    let begun = Instant::now();
    let limit = config.route_timeout.min(config.acquire_timeout) / 2;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let now = Moment(origin.elapsed());
        let asking = asked
            .iter()
            .map(|(id, source)| ask(*id, source, config, now, left));
        let answers = futures_util::future::join_all(asking).await;
        let enough = answers.iter().any(|one| may_reign(&one.event));
        if enough || begun.elapsed() + PAUSE >= limit || outbox.is_over() {
            return answers;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(
    node: NodeId,
    source: &Source,
    config: &Config,
    begun: Moment,
    limit: Duration,
) -> Answered {
    let mut wire = MonitorConnection::default();
    let probe = source.probe(node, begun, config, &mut wire);
    let late = |_| Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
    let answer = tokio::time::timeout(limit, probe).await;
    let event = match answer.unwrap_or_else(late) {
        Ok(event) => {
            source.trouble.settled();
            event
        }
        Err(err) => {
            source.trouble.failed(&err);
            // What is half read is no connection any more.
            wire = MonitorConnection::default();
            Event::ProbeFailed {
                node,
                begun,
                signal: nodes::unanswered(&err),
            }
        }
    };
    Answered { node, event, wire }
}

fn may_reign(event: &Event) -> bool {
    matches!(event, Event::ProbeOk { facts, .. } if facts.in_recovery != Fact::Known(true))
}
