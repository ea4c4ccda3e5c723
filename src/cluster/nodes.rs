//! The pools behind the reducer's nodes: where each came from, and what is open now.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr};

use super::source::Source;
use crate::{
    backend::{self, Facts, Wire},
    config::{Config, NodeConfig},
    node::{Link, Node, Seat},
    signal::{self, Signal},
    snapshot::Member,
    state::{Event, Fact, Moment, NodeSpec, ProbeFacts, View, ViewNode},
    words::{NodeId, Role},
};

/// What is open, by node.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    open: HashMap<NodeId, Open>,
    /// Those that were named, until their pools are made.
    named: Vec<Source>,
}

#[derive(Clone, Debug)]
struct Open {
    member: Arc<Member>,
    source: Source,
    /// The seats of the pools that this node has had, for as long as anything runs on them.
    retired: Vec<Weak<Seat>>,
}

impl Open {
    fn new(member: Member, source: Source) -> Self {
        Self {
            member: Arc::new(member),
            source,
            retired: Vec::new(),
        }
    }

    /// Puts another member in the place of this one, and remembers the seats of what runs.
    fn replace(&mut self, member: Member) {
        let old = std::mem::replace(&mut self.member, Arc::new(member));
        self.retired.retain(|seat| seat.strong_count() > 0);
        self.retired.extend(old.seats().iter().map(Arc::downgrade));
    }

    /// Ends what runs on the node, whichever of its pools it came from: a node found dead had a fresh pool at once, so
    /// what it is silent about runs on an older one.
    fn cut(&self) {
        self.member.cut();
        for seat in self.retired.iter().filter_map(Weak::upgrade) {
            seat.cut();
        }
    }
}

impl Nodes {
    /// Keeps where these nodes come from, and says it in the reducer's words.
    pub(super) fn learn(&mut self, sources: Vec<Source>) -> Vec<NodeSpec> {
        let specs = sources.iter().map(|source| source.spec.clone()).collect();
        for source in sources {
            self.named
                .retain(|known| !known.spec.same_pool(&source.spec));
            self.named.push(source);
        }
        specs
    }

    /// Where a node that was named comes from.
    pub(super) fn named(&self, spec: &NodeSpec) -> Option<Source> {
        self.named
            .iter()
            .find(|source| source.spec.same_pool(spec))
            .cloned()
    }

    /// Takes a pool in as a node's first.
    pub(super) fn adopt(&mut self, id: NodeId, link: Arc<Link>, source: Source) {
        let node = Node::new(id, Arc::clone(&source.spec.name), 0, link).reached(source.config());
        let member = Member::new(Arc::new(node), Arc::default());
        self.open.insert(id, Open::new(member, source));
    }

    /// Makes a new node's pool without taking a connection from it: where warming it failed, its probes go on, and
    /// the pool is there when they succeed.
    pub(super) async fn adopt_cold(&mut self, id: NodeId, spec: &NodeSpec, config: &Config) {
        if self.open.contains_key(&id) {
            return;
        }
        let Some(source) = self.named(spec) else {
            return;
        };
        let link = opened(&source, config).await.unwrap_or_else(|err| {
            tracing::warn!(node = &*spec.name, error = %err, "its pool could not be made");
            Link::Adopted(DatabaseConnection::default())
        });
        self.adopt(id, Arc::new(link), source);
    }

    /// Lets a node go on under another name, in metrics, traces and errors as well.
    pub(super) fn rename(&mut self, id: NodeId, name: &Arc<str>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let node = &open.member.node;
        if node.name == *name {
            return;
        }
        let node = node.renamed(Arc::clone(name));
        let member = Member::new(Arc::new(node), Arc::clone(&open.member.metrics));
        open.replace(member);
    }

    /// Forgets where nodes came from that are not in the list any more; while no change of it is under way.
    pub(super) fn prune(&mut self) {
        let open = &self.open;
        self.named.retain(|named| {
            open.values()
                .any(|open| open.source.spec.same_pool(&named.spec))
        });
    }

    /// Gives a node a fresh pool under a greater generation. What was counted of it goes on.
    ///
    /// The old pool closes when its connections have come back; `hard`, what runs on them ends at once. Whoever waits
    /// for a connection of it leaves at once either way.
    pub(super) async fn replace_pool(
        &mut self,
        id: NodeId,
        generation: u64,
        hard: bool,
        config: &Config,
    ) {
        let Some(open) = self.open.get(&id) else {
            return;
        };
        let (old, source) = (Arc::clone(&open.member), open.source.clone());
        // Options that made a pool before make one again, unless a callback of the caller's refuses; then the old pool
        // serves on.
        let fresh = if old.node.link.is_adopted() && !source.is_ours() {
            None
        } else {
            opened(&source, config)
                .await
                .inspect_err(|err| tracing::warn!(node = &*old.node.name, error = %err, "no fresh pool could be made"))
                .ok()
        };
        let replaced = fresh.is_some();
        let link = fresh.map_or_else(|| Arc::clone(&old.node.link), Arc::new);
        // A new life, of whose position nothing is known.
        let node =
            Node::new(id, Arc::clone(&old.node.name), generation, link).reached(source.config());
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        if hard {
            open.cut();
        }
        open.replace(Member::new(Arc::new(node), Arc::clone(&old.metrics)));
        if replaced {
            close(old);
        }
    }

    /// Closes a node that left the list.
    pub(super) fn forget(&mut self, id: NodeId, hard: bool) {
        if let Some(open) = self.open.remove(&id) {
            if hard {
                open.cut();
            }
            close(open.member);
        }
    }

    /// The members in the view's order. One without a pool gets a connection that refuses everything: leaving it out
    /// would put another node in its place.
    pub(super) fn members(&self, view: &View) -> Box<[Arc<Member>]> {
        let member = |node: &ViewNode| match self.open.get(&node.id) {
            Some(open) => Arc::clone(&open.member),
            None => {
                let link = Arc::new(Link::Adopted(DatabaseConnection::default()));
                let node = Node::new(node.id, Arc::clone(&node.name), node.generation, link);
                Arc::new(Member::new(Arc::new(node), Arc::default()))
            }
        };
        view.nodes().iter().map(member).collect()
    }

    pub(super) fn member(&self, id: NodeId) -> Option<&Arc<Member>> {
        self.open.get(&id).map(|open| &open.member)
    }

    /// Closes every pool, and waits for what was taken from them.
    pub(super) async fn close_all(&self) {
        for open in self.open.values() {
            open.member.node.link.close().await;
        }
    }

    /// Opens the connections that are to be kept, in the background, within the time that one may take.
    pub(super) fn fill(&self, id: NodeId, config: &Config) {
        let Some(member) = self.member(id) else {
            return;
        };
        let (node, kept) = (Arc::clone(&member.node), config.min_connections);
        if node.link.lacks(kept) {
            let limit = config.connect_timeout;
            tokio::spawn(async move {
                // Not asked how far the server has come, so nothing may be known of that before.
                let opened = || node.replayed.forget_unless_asked_since(Instant::now());
                tokio::time::timeout(limit, node.link.fill(kept, opened)).await
            });
        }
    }

    /// How to ask this node for itself.
    pub(super) fn probe(&self, id: NodeId, config: &Config) -> Option<Probe> {
        let Open { member, source, .. } = self.open.get(&id)?;
        let asked = match source.config() {
            Some(node) => Asked::Server(Box::new((config.clone(), node.clone()))),
            None => Asked::Connection(Arc::clone(&member.node), config.connect_timeout),
        };
        Some(Probe { id, asked })
    }
}

/// Opens a pool, within the time that one connection may take.
async fn opened(source: &Source, config: &Config) -> Result<Link, DbErr> {
    tokio::time::timeout(config.connect_timeout, source.open(config))
        .await
        .unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)))
}

/// Closes a pool in the background, once what was taken from it has come back. After a cut that is at once.
fn close(member: Arc<Member>) {
    tokio::spawn(async move { member.node.link.close().await });
}

/// One question to one node.
pub(super) struct Probe {
    id: NodeId,
    asked: Asked,
}

enum Asked {
    Server(Box<(Config, NodeConfig)>),
    Connection(Arc<Node>, Duration),
}

impl Probe {
    /// Asks, and puts the answer into the reducer's words. The connection is kept for the next time.
    pub(super) async fn run(&self, begun: Moment, wire: &mut Wire) -> Event {
        let node = self.id;
        let answer = match &self.asked {
            Asked::Server(asked) => backend::probe(&asked.0, &asked.1, wire).await,
            Asked::Connection(node, limit) => backend::probe_adopted(node, *limit).await,
        };
        match answer {
            Ok(facts) => Event::ProbeOk {
                node,
                begun,
                rtt: facts.round_trip,
                facts: said(&facts),
            },
            Err(err) => Event::ProbeFailed {
                node,
                begun,
                signal: match &self.asked {
                    Asked::Server(_) => unanswered(&err),
                    Asked::Connection(..) => signal::of_db_err(&err, Role::Unknown),
                },
            },
        }
    }
}

/// What a failed probe on a connection of its own says. No pool is in between, so a time-out means a silent server.
pub(super) fn unanswered(err: &DbErr) -> Signal {
    match signal::of_db_err(err, Role::Unknown) {
        Signal::AcquireTimeout => Signal::TimedOut,
        signal => signal,
    }
}

pub(super) fn said(facts: &Facts) -> ProbeFacts {
    ProbeFacts {
        in_recovery: facts.in_recovery.map_or(Fact::NotChecked, Fact::Known),
        identity: facts.cluster.map_or(Fact::NotChecked, Fact::Known),
        ..ProbeFacts::default()
    }
}
