//! The one task that owns the topology: it feeds news to the reducer, carries out the effects in their order, and
//! publishes snapshots.
//!
//! It awaits only its inbox and the next moment something is due. Whatever takes time (a probe, a warm-up, a reading of
//! the catalog) runs as a task of its own and ends in a message, so no node can hold up another.

mod begun;
mod publish;
mod standby;
mod tasks;
mod word;

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fastrand::Rng;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

pub(super) use self::begun::Begun;
use self::{tasks::open_beside, word::Words};
use super::{
    catalog::CatalogReader,
    log,
    nodes::{Nodes, Opened},
    probes::Probes,
    shared::Shared,
    source::Source,
    stalls::Stalls,
};
use crate::{
    backend::MonitorConnection,
    causality::{Replayed, Whose},
    error::Error,
    intent::catalog::Catalog,
    metrics::Publisher,
    node::NodePool,
    state::{Changes, Effect, Event, Moment, State, reduce::reduce},
    vocabulary::{NodeId, Role},
};

/// How often counters are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What the worker is told.
pub(crate) enum Message {
    /// News for the reducer.
    News(Event),
    /// A probe ended, with these news.
    Probed(NodeId, Event, MonitorConnection),
    /// A new node gave its first connection and answered its first probe.
    Warmed(Box<Warm>),
    /// A pool that takes the place of another one was opened.
    Opened(Opened),
    /// The list of nodes is to be this one.
    Replace(Vec<Source>, oneshot::Sender<Result<Changes, Error>>),
    /// The catalog is out of date.
    ReadCatalog,
    /// Some name is not in it, or something ran that may have changed it.
    WishCatalog,
    /// The catalog has been read, from a node of this role.
    CatalogRead(Role, Result<Box<Catalog>, String>),
    /// A statement waits for a primary.
    Wanted,
    /// Ask this node, and say when a probe of it has ended that was sent from now on.
    Check(NodeId, oneshot::Sender<()>),
    /// Publish the counters now, and say when that is done.
    Publish(oneshot::Sender<()>),
    /// Connections to this node lead to another server than those that this pool has.
    Moved(NodeId, Arc<Replayed>),
    /// Close every pool; statements fail from now on.
    Close(oneshot::Sender<()>),
}

/// A new node, ready for its first statement.
pub(crate) struct Warm {
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
    /// For the tasks that answer into the inbox; weak, or the worker would keep itself alive.
    outbox: mpsc::WeakUnboundedSender<Message>,
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
    pub(super) fn spawn(
        shared: &Arc<Shared>,
        inbox: mpsc::UnboundedReceiver<Message>,
        begun: Begun,
    ) {
        let Begun {
            state,
            nodes,
            effects,
            catalog_read,
        } = begun;
        let catalog = CatalogReader::new(
            shared.config.catalog_refresh,
            shared.reads_catalog,
            catalog_read,
        );
        let mut worker = Self {
            shared: Arc::downgrade(shared),
            inbox,
            outbox: shared.inbox.downgrade(),
            state,
            nodes,
            probes: Probes::default(),
            catalog,
            publisher: Arc::clone(&shared.publisher),
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
            worker.carry_out(effects).await;
            worker.fill_all();
            worker.run().await;
        };
        tokio::spawn(work.instrument(shared.span.clone()));
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
                Ok(()) = self.words.changed() => Some(Message::News(Event::AskAll)),
                () = tokio::time::sleep_until(due) => None,
            };
            let Some(shared) = self.shared.upgrade() else {
                break;
            };
            match message {
                Some(message) => {
                    if self.hear(&shared, message).await.is_break() {
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
            self.feed(Event::AskAll).await;
        }
        if self.state.next_tick().is_some_and(|due| due <= now) {
            self.feed(Event::Tick).await;
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

    /// Breaks when there is nothing left to look after.
    async fn hear(&mut self, shared: &Arc<Shared>, message: Message) -> ControlFlow<()> {
        match message {
            Message::News(event) => {
                if let Event::DrainedOut { node } = event {
                    self.watched.remove(&node);
                }
                self.feed(event).await;
            }
            Message::Probed(id, event, wire) => self.probed(shared, id, event, wire).await,
            Message::Warmed(warm) => {
                let node = warm.id;
                self.nodes.adopt(node, warm.link, warm.source);
                self.probes.keep(node, warm.wire);
                self.feed(warm.probed).await;
                self.feed(Event::Warmed { node }).await;
            }
            Message::Opened(opened) => {
                if self.nodes.settle(opened) {
                    self.publish(shared).await;
                }
            }
            Message::Replace(sources, answer) => {
                self.tickets += 1;
                self.answers.insert(self.tickets, answer);
                let nodes = self.nodes.learn(sources);
                self.feed(Event::Replace {
                    ticket: self.tickets,
                    nodes,
                })
                .await;
            }
            Message::ReadCatalog => self.catalog.schema_changed(),
            Message::WishCatalog => self.catalog.wish(),
            Message::CatalogRead(role, read) => self.catalog.ended(shared, role, read),
            // Who waits is noted after every message.
            Message::Wanted => {}
            Message::Check(node, answer) => {
                self.checks.push((node, self.now(), answer));
                self.feed(Event::AskAll).await;
            }
            Message::Moved(node, pool) => {
                if self.nodes.has_pool(node, &pool) {
                    self.moved(node).await;
                }
            }
            Message::Publish(done) => {
                self.publish_metrics(shared);
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
            Message::Close(done) => {
                self.nodes.close_all().await;
                shared.concrete.close(shared).await;
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                // Looked after any longer, a node found dead would be given a fresh pool.
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) async fn feed(&mut self, event: Event) {
        let now = self.now();
        let effects = reduce(&mut self.state, event, now, &mut self.rng);
        self.carry_out(effects).await;
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        for effect in effects {
            match effect {
                Effect::Probe { node, at } => self.probes.order(node, at),
                Effect::ReplacePool {
                    node,
                    generation,
                    hard,
                } => {
                    if hard {
                        shared.concrete.cut(node, &shared);
                    }
                    let opening = self
                        .nodes
                        .replace_pool(node, generation, hard, &shared.config);
                    open_beside(opening, &self.outbox);
                    shared.concrete.renew(node, &shared);
                }
                Effect::Warm { node, until } => self.warm(node, until, &shared),
                Effect::Watch { node } => self.watch(node),
                Effect::ClosePool { node } => self.forget(node, false),
                Effect::CloseHard { node } => {
                    shared.concrete.cut(node, &shared);
                    self.forget(node, true);
                }
                Effect::Publish => self.publish(&shared).await,
                Effect::Replaced(changes) => self.answer(changes.ticket, Ok(changes)),
                Effect::ReplaceRefused { ticket, problem } => {
                    self.answer(
                        ticket,
                        Err(Error::Topology {
                            why: problem.to_string(),
                        }),
                    );
                }
                Effect::Accepted(named) => Self::take_word(&shared, named),
                Effect::Notice(what) => {
                    log::tell(&what, &self.state, &self.nodes, &shared.metrics);
                    shared.events.tell(&what, &self.state, &self.nodes);
                }
            }
        }
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

/// Tells the worker, if it is still there.
pub(super) fn tell(outbox: &mpsc::WeakUnboundedSender<Message>, message: Message) {
    if let Some(inbox) = outbox.upgrade() {
        // A closed inbox means that the cluster is gone, and with it everybody whom the news concern.
        let _ = inbox.send(message);
    }
}
