//! The one task that owns the topology: it feeds news to the reducer, carries out the effects in their order, and
//! publishes snapshots.
//!
//! It awaits only its inbox and the next moment something is due. Whatever takes time (a probe, a warm-up, a reading of
//! the catalog) runs as a task of its own and ends in a message, so no node can hold up another.

mod begun;
mod effects;
mod fall_asleep;
mod messages;
mod metrics;
mod publish;
mod replies;
mod served;
mod sleep;
mod standby;
mod tasks;
mod wake;

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Weak},
    time::Instant,
};

use fastrand::Rng;
use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

pub(super) use self::begun::Begun;
use self::{metrics::MetricsPublisher, replies::PendingReplies, served::Served, sleep::Sleep};
use super::{
    inbox::{Mailbox, Message, TaskInbox},
    nodes::Nodes,
    probes::Probes,
    shared::Shared,
};
use crate::{
    causality::{Whose, Word},
    error::Error,
    state::{CatalogNews, Changes, Effect, Event, Moment, NodeProgress, State, reduce::reduce},
    vocabulary::NodeId,
};

pub(super) struct Worker {
    shared: Weak<Shared>,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// For the tasks that answer into the inbox.
    outbox: TaskInbox,
    state: State,
    nodes: Nodes,
    probes: Probes,
    metrics: MetricsPublisher,
    served: Served,
    replies: PendingReplies,
    sleep: Sleep,
    /// Nodes that a task watches until nothing is in flight there. One for each: swaps may come faster than a busy node
    /// has a quiet moment.
    watched: HashSet<NodeId>,
    /// What the clock was told of the cluster.
    whose: Whose,
    /// What an authority said to any handle of the clock.
    words: watch::Receiver<Word>,
    rng: Rng,
    origin: Instant,
}

impl Worker {
    /// Starts looking after a cluster. It ends when the last handle is dropped.
    pub(super) fn spawn(shared: &Arc<Shared>, mailbox: Mailbox, begun: Begun) {
        let Begun {
            state,
            nodes,
            wires,
            effects,
            catalog_read,
        } = begun;
        let exists = shared.judging.reads_catalog();
        let mut words = shared.clock.writes.words();
        // What was said while this handle was starting.
        if words.borrow().number != shared.tracker.word() {
            words.mark_changed();
        }
        let mut worker = Self {
            shared: Arc::downgrade(shared),
            inbox: mailbox.messages,
            outbox: mailbox.tasks,
            state,
            nodes,
            probes: Probes::begin(wires),
            metrics: MetricsPublisher::new(shared),
            served: Served::default(),
            replies: PendingReplies::default(),
            sleep: Sleep::new(shared),
            watched: HashSet::new(),
            whose: Whose::default(),
            words,
            rng: Rng::new(),
            origin: shared.origin,
        };
        let work = async move {
            worker.begin(effects, exists.then_some(catalog_read)).await;
            worker.run().await;
        };
        tokio::spawn(work.boxed().instrument(shared.worker.span.clone()));
    }

    async fn run(&mut self) {
        loop {
            let due = tokio::time::Instant::from_std(self.next_due());
            let message = match self.sleep.next_held() {
                Some(held) => Some(held),
                None => tokio::select! {
                    message = self.inbox.recv() => match message {
                        Some(message) => Some(message),
                        // The last handle is gone.
                        None => break,
                    },
                    // The sender is gone with the last handle.
                    Ok(()) = self.words.changed() => Some(Message::Word(*self.words.borrow_and_update())),
                    () = tokio::time::sleep_until(due) => None,
                },
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
            self.look_whether_idle(&shared).await;
        }
        self.nodes.close_all().await;
    }

    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    fn next_due(&self) -> Instant {
        let (state, probes) = (&self.state, &self.probes);
        let probe = probes.next_due().filter(|_| !self.sleep.holds_probes());
        let look = self.sleep.next_look();
        let moments = [state.next_tick(), state.next_look(), probe, look];
        let moments = moments
            .into_iter()
            .flatten()
            .map(|moment| self.origin + moment.0);
        moments
            .chain([self.metrics.next_due()])
            .min()
            .unwrap_or_else(|| self.metrics.next_due())
    }

    async fn tick(&mut self, shared: &Arc<Shared>) {
        let now = self.now();
        if self.state.next_look().is_some_and(|due| due <= now) {
            self.dispatch(Event::Progress(progress(shared))).await;
        }
        if self.state.next_tick().is_some_and(|due| due <= now) {
            self.dispatch(Event::Tick).await;
        }
        let due = match self.sleep.holds_probes() {
            true => Vec::new(),
            false => self.probes.due(now),
        };
        for id in due {
            if self.state.connects_anew(id, now) {
                self.probes.renew(id);
            }
            let probe = self.nodes.probe(id, &shared.config);
            self.probes.run(id, now, probe, &self.outbox);
        }
        if self.metrics.next_due() <= Instant::now() {
            self.metrics.export(shared, &self.state);
            let served = self.served.look(shared);
            if !served.is_empty() {
                self.dispatch(Event::Served(served)).await;
            }
        }
    }

    /// What the start has left to do, and what it knows that the reducer does not.
    async fn begin(&mut self, effects: Vec<Effect>, catalog: Option<bool>) {
        let mut follow_ups = self.apply(effects).await;
        follow_ups.extend(self.nodes.missing());
        let catalog = catalog.map(|read| Event::Catalog(CatalogNews::Exists { read }));
        for event in follow_ups.into_iter().chain(catalog) {
            self.dispatch(event).await;
        }
    }

    /// Reduces an event, carries its effects out, and goes on with what these did.
    pub(super) async fn dispatch(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.now();
            let effects = reduce(&mut self.state, event, now, &mut self.rng);
            events.extend(self.apply(effects).await);
        }
    }

    fn answer(&mut self, ticket: u64, answer: Result<Changes, Error>) {
        if self.replies.answer_change(ticket, answer) {
            self.nodes.prune();
        }
    }

    fn forget(&mut self, id: NodeId, cut: bool) {
        self.nodes.forget(id, cut);
        self.probes.forget(id);
        self.watched.remove(&id);
    }
}

/// What has begun and ended on each node.
fn progress(shared: &Shared) -> Vec<NodeProgress> {
    let snapshot = shared.snapshot.load();
    let counted = snapshot.nodes().map(|node| {
        let (begun, ended) = node.member.metrics.progress();
        NodeProgress {
            node: node.seen.id,
            begun,
            ended,
        }
    });
    counted.collect()
}
