//! The one task that owns the topology: it feeds news to the reducer, carries out the effects in their order, and
//! publishes snapshots.
//!
//! It awaits only its inbox and the next moment something is due. Whatever takes time (a probe, a warm-up, a reading of
//! the catalog) runs as a task of its own and ends in a message, so no node can hold up another.

mod begun;
mod effects;
mod messages;
mod publish;
mod standby;
mod tasks;
mod word;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

pub(super) use self::begun::Begun;
use self::word::Words;
use super::{
    catalog::CatalogReader,
    inbox::{Mailbox, Message, StatementNews, TaskInbox},
    nodes::Nodes,
    probes::Probes,
    shared::Shared,
    source::Source,
    stalls::Stalls,
};
use crate::{
    backend::MonitorConnection,
    causality::Whose,
    error::Error,
    metrics::Publisher,
    node::NodePool,
    state::{Changes, Event, Moment, State, reduce::reduce},
    vocabulary::NodeId,
};

/// How often counters are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// A new node, ready for its first statement.
pub(super) struct Warm {
    id: NodeId,
    link: Arc<NodePool>,
    source: Source,
    /// What the probe said: a server that is no replica must not serve a read before that is known.
    probed: Event,
    wire: MonitorConnection,
}

pub(super) struct Worker {
    shared: Weak<Shared>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// For the tasks that answer into the inbox.
    outbox: TaskInbox,
    state: State,
    nodes: Nodes,
    probes: Probes,
    catalog: CatalogReader,
    publisher: Arc<Publisher>,
    answers: HashMap<u64, oneshot::Sender<Result<Changes, Error>>>,
    tickets: u64,
    /// Nodes that a task watches until nothing is in flight there. One for each: swaps may come faster than a busy node
    /// has a quiet moment.
    watched: HashSet<NodeId>,
    /// Who waits for a probe that was sent after this moment.
    checks: Vec<(NodeId, Moment, oneshot::Sender<()>)>,
    stalls: Stalls,
    /// What the clock was told of the cluster.
    whose: Whose,
    /// What an authority said to any handle of the clock.
    words: Words,
    rng: Rng,
    origin: Instant,
    publish_at: Instant,
    /// How many requests the retry budget was credited for.
    credited: u64,
}

impl Worker {
    /// Starts looking after a cluster. It ends when the last handle is dropped.
    pub(super) fn spawn(shared: &Arc<Shared>, mailbox: Mailbox, begun: Begun) {
        let Begun {
            state,
            nodes,
            effects,
            catalog_read,
        } = begun;
        let catalog = CatalogReader::new(
            shared.config.catalog_refresh,
            shared.judging.reads_catalog(),
            catalog_read,
        );
        let mut worker = Self {
            shared: Arc::downgrade(shared),
            inbox: mailbox.messages,
            outbox: mailbox.tasks,
            state,
            nodes,
            probes: Probes::default(),
            catalog,
            publisher: Arc::clone(&shared.telemetry.publisher),
            answers: HashMap::new(),
            tickets: 0,
            watched: HashSet::new(),
            checks: Vec::new(),
            stalls: Stalls::new(),
            whose: Whose::default(),
            words: shared.clock.words(),
            rng: Rng::new(),
            origin: shared.origin,
            publish_at: shared.origin + PUBLISH_EVERY,
            credited: 0,
        };
        let work = async move {
            worker.apply(effects).await;
            worker.fill_all();
            worker.run().await;
        };
        tokio::spawn(work.instrument(shared.worker.span.clone()));
    }

    async fn run(&mut self) {
        loop {
            let due = tokio::time::Instant::from_std(self.next_due());
            let message = tokio::select! {
                message = self.inbox.recv() => match message {
                    Some(message) => Some(message),
                    // The last handle is gone.
                    None => break,
                },
                // The sender is gone with the last handle.
                Ok(()) = self.words.changed() => Some(StatementNews::Ahead.into()),
                () = tokio::time::sleep_until(due) => None,
            };
            let Some(shared) = self.shared.upgrade() else {
                break;
            };
            match message {
                Some(message) => {
                    if self.on_message(&shared, message).await.is_break() {
                        return;
                    }
                }
                None => self.tick(&shared).await,
            }
            self.note_waiters(&shared).await;
            self.obey_word(&shared).await;
        }
        self.nodes.close_all().await;
    }

    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    fn next_due(&self) -> Instant {
        let moments = [self.state.next_tick(), self.probes.next_due()];
        let moments = moments
            .into_iter()
            .flatten()
            .map(|moment| self.origin + moment.0);
        let looks = self.looks_for_stalls().then(|| self.stalls.next_due());
        moments
            .chain(looks)
            .chain(self.catalog.next_due())
            .chain([self.publish_at])
            .min()
            .unwrap_or(self.publish_at)
    }

    async fn tick(&mut self, shared: &Arc<Shared>) {
        let now = self.now();
        if self.looks_for_stalls() && self.stalls.look(shared, Instant::now()) {
            self.dispatch(Event::AskAll).await;
        }
        if self.state.next_tick().is_some_and(|due| due <= now) {
            self.dispatch(Event::Tick).await;
        }
        for id in self.probes.due(now) {
            if self.state.connects_anew(id) {
                self.probes.renew(id);
            }
            let probe = self.nodes.probe(id, &shared.config);
            self.probes.run(id, now, probe, &self.outbox);
        }
        if self.catalog.is_due() {
            let replica = match self.primary_was_seen() {
                true => None,
                false => shared.snapshot.load().replica().cloned(),
            };
            match replica {
                Some(replica) => self.catalog.read_from(&replica, shared, &self.outbox),
                None => self.catalog.read(shared, &self.outbox),
            }
        }
        if self.publish_at <= Instant::now() {
            self.publish_metrics(shared);
        }
    }

    /// Fills the pools of the nodes that have answered already.
    fn fill_all(&self) {
        if let Some(shared) = self.shared.upgrade() {
            for node in self.state.members().filter(|node| node.latency.is_some()) {
                self.nodes.fill(node.id, &shared.config);
            }
        }
    }

    fn primary_was_seen(&self) -> bool {
        self.state.primary().is_some_and(|primary| primary.seen)
    }

    pub(super) async fn dispatch(&mut self, event: Event) {
        let now = self.now();
        let effects = reduce(&mut self.state, event, now, &mut self.rng);
        self.apply(effects).await;
    }

    fn answer(&mut self, ticket: u64, answer: Result<Changes, Error>) {
        if let Some(waiting) = self.answers.remove(&ticket) {
            // Whoever asked may have stopped waiting; the change stands.
            let _ = waiting.send(answer);
        }
        if self.answers.is_empty() {
            self.nodes.prune();
        }
    }

    fn forget(&mut self, id: NodeId, hard: bool) {
        self.nodes.forget(id, hard);
        self.probes.forget(id);
        self.watched.remove(&id);
        self.stalls.forget(id);
        self.checks.retain(|(node, ..)| *node != id);
    }
}
