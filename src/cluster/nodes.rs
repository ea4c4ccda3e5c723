//! The pools behind the reducer's nodes: where each came from, and what is open now.

mod doors;
mod opening;
mod pools;
mod probe;

use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;

pub(crate) use self::opening::Opened;
pub(super) use self::opening::PoolOpening;
use self::probe::ProbeTarget;
pub(super) use self::probe::{Probe, said, unanswered};

use super::{shared::Shared, source::Source};
use crate::{
    backend,
    config::Config,
    metrics::NodeMetrics,
    node::{Node, NodePool, Seat},
    snapshot::{Member, Sides},
    state::{Moment, NodeSpec, View, ViewNode},
    vocabulary::{NodeId, Role, StatementLimit},
};

/// What is open, by node.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    open: HashMap<NodeId, OpenNode>,
    limit: StatementLimit,
    /// The nodes that were named, until their pools are made.
    named: Vec<Source>,
    /// Waiters for pools that are there, and will be seen with the next snapshot.
    awaited: Vec<watch::Sender<()>>,
    /// The cluster that hears what connections say of their servers.
    shared: Option<Weak<Shared>>,
}

/// One node: a pool for each role that it has had, so that a change of role needs no connection (rule T7).
#[derive(Debug)]
struct OpenNode {
    /// Fenced.
    reader: Option<Arc<Member>>,
    writer: Option<Arc<Member>>,
    /// The node takes writes now.
    writes: bool,
    source: Source,
    limit: StatementLimit,
    metrics: Arc<NodeMetrics>,
    generation: u64,
    /// The seats of the pools that this node has had, for as long as anything runs on them.
    retired: Vec<Weak<Seat>>,
    /// Which pools could not be had: the reader's, the writer's. They are tried again when the node has answered.
    missing: [bool; 2],
    /// Who waits for a pool that is not there, of either role.
    waiters: [Option<watch::Sender<()>>; 2],
}

impl OpenNode {
    fn new(source: Source, limit: StatementLimit) -> Self {
        Self {
            reader: None,
            writer: None,
            writes: source.spec.role == Role::Primary,
            source,
            limit,
            metrics: Arc::default(),
            generation: 0,
            retired: Vec::new(),
            missing: [false; 2],
            waiters: [None, None],
        }
    }

    fn side(&mut self, writes: bool) -> &mut Option<Arc<Member>> {
        match writes {
            true => &mut self.writer,
            false => &mut self.reader,
        }
    }

    /// The pool of its present role.
    fn member(&self) -> Option<&Arc<Member>> {
        match self.writes {
            true => self.writer.as_ref(),
            false => self.reader.as_ref(),
        }
    }

    fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.reader.iter().chain(&self.writer)
    }

    /// Puts another pool in the place of this one, and remembers the seats of what runs.
    fn put(&mut self, writes: bool, node: Node) -> Option<Arc<Member>> {
        let node = match self.limit {
            StatementLimit::Adaptive => node.limited(),
            StatementLimit::Off => node,
        };
        let member = Member::new(Arc::new(node), Arc::clone(&self.metrics));
        let old = self.side(writes).replace(Arc::new(member));
        self.retired.retain(|seat| seat.strong_count() > 0);
        if let Some(old) = &old {
            self.retired.extend(old.seats().iter().map(Arc::downgrade));
        }
        old
    }

    /// Ends what runs on the node, whichever of its pools it came from: a node found dead had a new pool at once, so
    /// what it is silent about runs on an older one.
    fn cut(&self) {
        self.members().for_each(|member| member.cut());
        for seat in self.retired.iter().filter_map(Weak::upgrade) {
            seat.cut();
        }
    }
}

impl Nodes {
    pub(super) fn new(limit: StatementLimit) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Keeps where these nodes come from, and says it in the reducer's words.
    pub(super) fn register(&mut self, sources: Vec<Source>) -> Vec<NodeSpec> {
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

    /// Takes a pool in as a node's first, for the role that it is configured for.
    pub(super) fn adopt(&mut self, id: NodeId, link: Arc<NodePool>, source: Source) {
        self.listen(id, &source.door);
        let mut open = OpenNode::new(source, self.limit);
        let writes = open.writes;
        let node = made(id, &open, link);
        open.put(writes, node);
        self.open.insert(id, open);
    }

    /// Makes sure that a node has a pool for this role, without taking a connection from it: where warming it failed,
    /// its probes go on, and the pool is there when they succeed. What is returned has to be ended and installed.
    pub(super) fn make_ready(
        &mut self,
        id: NodeId,
        spec: &NodeSpec,
        role: Role,
        config: &Config,
    ) -> Option<PoolOpening> {
        if !self.open.contains_key(&id) {
            let source = self.named(spec)?;
            self.listen(id, &source.door);
            self.open.insert(id, OpenNode::new(source, self.limit));
        }
        let writes = role == Role::Primary;
        match self.open.get_mut(&id)?.side(writes) {
            Some(_) => None,
            None => self.pool(id, writes, config),
        }
    }

    /// Since when it has everything, and how many bytes it lacks.
    pub(super) fn set_lag(&self, id: NodeId, current_at: Option<Moment>, behind: Option<u64>) {
        if let Some(reader) = self.open.get(&id).and_then(|open| open.reader.as_ref()) {
            reader.node.lag.set(current_at.map(|at| at.0), behind);
        }
    }

    /// Statements get the pool of this role from now on.
    pub(super) fn set_role(&mut self, id: NodeId, role: Role) {
        if let Some(open) = self.open.get_mut(&id) {
            open.writes = role == Role::Primary;
            // What the application has of a former primary is closed: an error there, never a write to a stale one.
            if matches!(role, Role::Replica | Role::Fenced)
                && let Some(handed) = open
                    .writer
                    .take_if(|writer| writer.node.link.is_handed_out())
            {
                open.retired
                    .extend(handed.seats().iter().map(Arc::downgrade));
                close(handed);
            }
        }
    }

    /// Keeps a connection ready that may write, on a node that may become the primary; no statement can lease it before.
    /// Whether its pool is new, and what is being opened.
    pub(super) fn stand_by(
        &mut self,
        id: NodeId,
        spec: &NodeSpec,
        config: &Config,
    ) -> (bool, Option<PoolOpening>) {
        let new = self.open.get(&id).is_some_and(|open| open.writer.is_none());
        let opening = self.make_ready(id, spec, Role::Primary, config);
        let writer = self.open.get(&id).and_then(|open| open.writer.as_ref());
        if let Some(writer) = writer {
            fill(writer, 1, config.acquire_timeout);
        }
        (new, opening)
    }

    /// Lets a node go on under another name, in metrics, traces and errors as well.
    pub(super) fn rename(&mut self, id: NodeId, name: &Arc<str>) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        for writes in [false, true] {
            let Some(member) = open.side(writes).clone() else {
                continue;
            };
            if member.node.name != *name {
                open.put(writes, member.node.renamed(Arc::clone(name)));
            }
        }
    }

    /// Forgets where nodes came from that are not in the list any more; while no change of it is under way.
    pub(super) fn prune(&mut self) {
        let open = &self.open;
        self.named.retain(|named| {
            open.values()
                .any(|open| open.source.spec.same_pool(&named.spec))
        });
    }

    /// Closes a node that left the list.
    pub(super) fn forget(&mut self, id: NodeId, cut: bool) {
        if let Some(open) = self.open.remove(&id) {
            if cut {
                open.cut();
            }
            open.members().cloned().for_each(close);
        }
    }

    /// The pools in the view's order. A node without one gets a connection that refuses everything: leaving it out would
    /// put another node in its place.
    pub(super) fn sides(&self, view: &View) -> Box<[Sides]> {
        let sides = |node: &ViewNode| Sides {
            member: match self.member(node.id) {
                Some(member) => Arc::clone(member),
                None => {
                    let link = Arc::new(NodePool::Adopted(DatabaseConnection::default().into()));
                    let node = Node::new(node.id, Arc::clone(&node.name), node.generation, link);
                    Arc::new(Member::new(Arc::new(node), Arc::default()))
                }
            },
            other_role: self.other_role(node.id),
        };
        view.nodes().iter().map(sides).collect()
    }

    /// The pool of the other role.
    fn other_role(&self, id: NodeId) -> Option<Arc<Node>> {
        let open = self.open.get(&id)?;
        let other = match open.writes {
            true => open.reader.as_ref(),
            false => open.writer.as_ref(),
        };
        other.map(|member| Arc::clone(&member.node))
    }

    pub(super) fn member(&self, id: NodeId) -> Option<&Arc<Member>> {
        self.open.get(&id)?.member()
    }

    /// Where a node's connections come from.
    pub(super) fn source(&self, id: NodeId) -> Option<Source> {
        self.open.get(&id).map(|open| open.source.clone())
    }

    /// What has begun and ended on all nodes.
    pub(super) fn progress(&self) -> (u64, u64) {
        let counted = self.open.values().map(|open| open.metrics.progress());
        counted.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Closes every pool, and waits for what was taken from them.
    pub(super) async fn close_all(&self) {
        for member in self.open.values().flat_map(OpenNode::members) {
            member.node.link.close().await;
        }
    }

    /// Opens the connections that are to be kept, in the background, for as long as a statement would wait for one. To leave
    /// after the time of one attempt was rejected: a login that takes longer was begun anew each time, and never there.
    pub(super) fn fill(&self, id: NodeId, config: &Config) {
        let Some(member) = self.member(id) else {
            return;
        };
        fill(member, config.min_connections, config.acquire_timeout);
    }

    /// How to ask this node for itself.
    pub(super) fn probe(&self, id: NodeId, config: &Config) -> Option<Probe> {
        let open = self.open.get(&id)?;
        let asked = match open.source.config() {
            Some(node) => ProbeTarget::Server(Box::new((config.clone(), node.clone()))),
            None => ProbeTarget::Connection(Arc::clone(&open.member()?.node), config.check_timeout),
        };
        let trouble = Arc::clone(&open.source.trouble);
        Some(Probe { id, asked, trouble })
    }
}

fn made(id: NodeId, open: &OpenNode, link: Arc<NodePool>) -> Node {
    let name = Arc::clone(&open.source.spec.name);
    Node::new(id, name, open.generation, link).reached(open.source.config(), &open.source.trouble)
}

/// Opens a pool, within the time that one connection may take.
async fn opened(source: &Source, writes: bool, config: &Config) -> Result<NodePool, DbErr> {
    let role = match writes {
        true => Role::Primary,
        false => Role::Replica,
    };
    tokio::time::timeout(config.connect_timeout, source.open(config, role))
        .await
        .unwrap_or_else(|_| Err(backend::not_connected(config)))
}

/// Opens the connections that are to be kept, in the background, within this time.
fn fill(member: &Arc<Member>, kept: u32, limit: Duration) {
    let node = Arc::clone(&member.node);
    if node.link.lacks(kept) && !node.tasks.filling.swap(true, Ordering::AcqRel) {
        tokio::spawn(
            async move {
                let asked = node.link.guide().is_some_and(|guide| guide.is_hooked());
                // Not asked how far the server has come, so nothing may be known of that before.
                let opened = || {
                    if !asked {
                        node.replayed.forget_unless_asked_since(Instant::now());
                    }
                };
                // What is not there by then is tried again when the node has answered.
                let filled = tokio::time::timeout(limit, node.link.fill(kept, opened)).await;
                if let (Ok(Some(stranger)), Some(guide)) = (filled, node.link.guide())
                    && guide.is_news(stranger)
                {
                    tracing::warn!(
                        node = &*node.name,
                        "a new connection to this node is not used, and no other one is opened before its next health check: {stranger}"
                    );
                }
                node.tasks.filling.store(false, Ordering::Release);
            }
            .boxed(),
        );
    }
}

/// Closes a pool in the background, once what was taken from it has come back. After a cut that is at once.
fn close(member: Arc<Member>) {
    tokio::spawn(async move { member.node.link.close().await }.boxed());
}
