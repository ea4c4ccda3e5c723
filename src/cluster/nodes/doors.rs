//! What connections say of the servers that they lead to, and what they are held against.

use std::sync::{Arc, Weak};

use super::{Nodes, OpenNode};
use crate::{
    causality::Replayed,
    cluster::{inbox::StatementNews, shared::Shared},
    node::door::{Door, Expected, Hello, News},
    snapshot::Member,
    state::{Fact, NodeState, ProbeFacts, State},
    vocabulary::{NodeId, Role},
};

impl Nodes {
    /// From now on the cluster hears of connections, and of what was found before.
    pub(in crate::cluster) fn attach(&mut self, shared: &Arc<Shared>) {
        self.shared = Some(Arc::downgrade(shared));
        for (id, open) in &self.open {
            self.listen(*id, &open.source.door);
            if let Some(pool) = open.stranded() {
                shared.tell(StatementNews::Moved(*id, Arc::clone(pool)));
            }
            if open.source.door.has_strange_strings() {
                shared.strange_strings(*id);
            }
            if open.source.door.lacks_read_only_default() {
                shared.lacks_read_only_default(*id, true);
            }
        }
    }

    pub(super) fn listen(&self, id: NodeId, door: &Door) {
        let Some(shared) = self.shared.clone() else {
            return;
        };
        door.listen(Box::new(move |pool, news| {
            on_news(&shared, id, pool, news);
        }));
    }

    /// What the topology knows of each node is what its connections are held against. Those whose pools are over with
    /// that.
    pub(in crate::cluster) fn expect(&self, state: &State) -> Vec<(NodeId, Arc<Replayed>)> {
        let mut over = Vec::new();
        for node in state.members() {
            let Some(open) = self.open.get(&node.id) else {
                continue;
            };
            if open.source.door.expect(expected(node, state))
                && let Some(writer) = &open.writer
            {
                over.push((node.id, Arc::clone(&writer.node.replayed)));
            }
        }
        over
    }

    /// A probe was answered by this server. Whether the node's pools are over with that.
    pub(in crate::cluster) fn probed(&self, id: NodeId, facts: &ProbeFacts) -> bool {
        let Some(open) = self.open.get(&id) else {
            return false;
        };
        let door = &open.source.door;
        if let (Some(reader), Fact::Known(server), false) =
            (&open.reader, facts.server, open.writes)
        {
            reader.node.replayed.meet(server, facts.address);
        }
        let moved = door.probed(&Hello {
            cluster: facts.identity.known(),
            in_recovery: facts.in_recovery == Fact::Known(true),
            timeline: facts.epoch.known(),
            started: facts.started,
            address: facts.address,
            ..Hello::default()
        });
        moved || open.stranded().is_some()
    }

    /// Whether this pool is one that the node has now, so that what is said of it is no old news.
    pub(in crate::cluster) fn has_pool(&self, id: NodeId, pool: &Arc<Replayed>) -> bool {
        let open = self.open.get(&id);
        open.is_some_and(|open| open.pools().any(|own| Arc::ptr_eq(own, pool)))
    }
}

impl OpenNode {
    /// A pool is known by what it knows of its servers.
    fn pools(&self) -> impl Iterator<Item = &Arc<Replayed>> {
        self.members().map(|member| &member.node.replayed)
    }

    /// The pool, of those that matter now, whose connections do not all lead where the node is.
    fn stranded(&self) -> Option<&Arc<Replayed>> {
        let reader = self.reader.as_ref().filter(|_| !self.writes);
        let mut members = self.writer.iter().chain(reader);
        let stranded = |member: &&Arc<Member>| {
            let guide = member.node.link.guide();
            guide.is_some_and(|guide| guide.is_stranded())
        };
        members.find(stranded).map(|member| &member.node.replayed)
    }
}

fn expected(node: &NodeState, state: &State) -> Expected {
    Expected {
        reigns: node.role == Role::Primary,
        writes_everywhere: state
            .flavour()
            .map(|flavour| flavour.row().writes_everywhere),
        cluster: state.primaryship.identity,
        greatest: state.primaryship.seen.greatest,
        led: state.primaryship.primary.is_some(),
        started: node.said.started,
        address: node.said.address,
        epoch: node.said.epoch.known(),
    }
}

fn on_news(shared: &Weak<Shared>, id: NodeId, pool: &Arc<Replayed>, news: News) {
    let Some(shared) = shared.upgrade() else {
        return;
    };
    match news {
        News::Moved => shared.tell(StatementNews::Moved(id, Arc::clone(pool))),
        News::Ahead(epoch) => shared.tell(StatementNews::Ahead(id, Arc::clone(pool), epoch)),
        News::Strays => shared.tell(StatementNews::Strays(id, Arc::clone(pool))),
        News::Met(replay) => shared.tracker.learn(id, pool, &replay),
        News::Strings => shared.strange_strings(id),
        News::Defaultless(first) => shared.lacks_read_only_default(id, first),
    }
}
