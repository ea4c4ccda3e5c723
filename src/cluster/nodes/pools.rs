//! How a node comes by its pools, the first and each that takes the place of another one.
//!
//! Opening a pool waits for nothing but an `after_connect` of the caller's, which connects: to a node that is silent, for
//! as long as a connection may take. So whoever has to look after the other nodes does not wait for it: what is not there
//! at once is opened beside, and put in its place when it is. Until then, and where it cannot be had, statements wait: a
//! connection of a server's former incarnation must not be given to anybody.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;

use super::{
    Nodes, OpenNode, close, opened,
    opening::{Opened, PoolOpening, PoolSlot},
};
use crate::{
    config::Config,
    node::{Node, NodePool, PendingPool},
    signal,
    state::{Event, NodeSpec, PoolNews},
    vocabulary::NodeId,
};

impl Nodes {
    /// Opens a pool of a node for this role. Nothing is returned where it is there at once.
    pub(super) fn pool(
        &mut self,
        id: NodeId,
        writes: bool,
        config: &Config,
    ) -> Option<PoolOpening> {
        let open = self.open.get(&id)?;
        let slot = PoolSlot {
            id,
            writes,
            generation: open.generation,
            limit: config.acquire_timeout,
        };
        let (source, config) = (open.source.clone(), config.clone());
        let limit = slot.limit;
        let mut pool = async move { opened(&source, writes, &config).await }.boxed();
        match (&mut pool).now_or_never() {
            Some(Ok(link)) => {
                self.put(id, writes, Arc::new(link));
                return None;
            }
            // What could not be had is told like what took its time.
            Some(Err(err)) => pool = std::future::ready(Err(err)).boxed(),
            None => {}
        }
        self.leave(id, writes, limit);
        Some(PoolOpening { slot, pool })
    }

    /// A node whose pool could not be had at the start.
    pub(in crate::cluster) fn refuse(&mut self, id: NodeId, spec: &NodeSpec, limit: Duration) {
        let Some(source) = self.named(spec) else {
            return;
        };
        self.listen(id, &source.door);
        let mut open = OpenNode::new(source, self.limit);
        let writes = open.writes;
        open.missing[usize::from(writes)] = true;
        self.open.insert(id, open);
        self.leave(id, writes, limit);
    }

    /// Gives a node new pools under a greater generation. What was counted of it goes on. What is returned has to be
    /// ended and [installed](Self::install).
    ///
    /// An old pool closes when its connections have come back; `cut`, what runs on them ends at once. Whoever waits
    /// for a connection of it leaves at once either way.
    pub(in crate::cluster) fn replace_pool(
        &mut self,
        id: NodeId,
        generation: u64,
        cut: bool,
        config: &Config,
    ) -> Vec<PoolOpening> {
        let Some(open) = self.open.get_mut(&id) else {
            return Vec::new();
        };
        (open.generation, open.missing) = (generation, [false; 2]);
        if cut {
            open.cut();
        }
        let (sides, is_ours) = (
            [open.reader.clone(), open.writer.clone()],
            open.source.is_ours(),
        );
        let mut opening = Vec::new();
        for (writes, old) in [false, true].into_iter().zip(sides) {
            let Some(old) = old else { continue };
            let link = &old.node.link;
            // The application's connection is what it is, and what it was given goes on as SeaORM's does: unless what
            // comes back to it may be a connection to another server, which must not be written to.
            if !is_ours || (link.is_handed_out() && !link.is_elsewhere()) {
                link.renew();
                self.put(id, writes, Arc::clone(link));
                continue;
            }
            close(old);
            opening.extend(self.pool(id, writes, config));
        }
        opening
    }

    /// Tries again to open what could not be had.
    pub(in crate::cluster) fn retry(&mut self, id: NodeId, config: &Config) -> Vec<PoolOpening> {
        let open = self.open.get_mut(&id);
        let missing = open.map(|open| std::mem::take(&mut open.missing));
        let sides = [false, true].into_iter().zip(missing.unwrap_or_default());
        let sides = sides.filter(|(_, missing)| *missing);
        sides
            .filter_map(|(writes, _)| self.pool(id, writes, config))
            .collect()
    }

    /// Closes a node's pools. They are among those that could not be had until they are opened again.
    pub(in crate::cluster) fn rest(&mut self, id: NodeId, generation: u64, limit: Duration) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let sides = [open.reader.clone(), open.writer.clone()];
        open.generation = generation;
        open.missing = sides.each_ref().map(Option::is_some);
        for (writes, old) in [false, true].into_iter().zip(sides) {
            if let Some(old) = old {
                close(old);
                self.leave(id, writes, limit);
            }
        }
    }

    /// The nodes that lack a pool since the start.
    pub(in crate::cluster) fn missing(&self) -> Vec<Event> {
        let lacking = self
            .open
            .iter()
            .filter(|(_, open)| open.missing.contains(&true));
        let news = |(node, open): (&NodeId, &OpenNode)| Event::Pool {
            node: *node,
            generation: open.generation,
            news: PoolNews::Missing,
        };
        lacking.map(news).collect()
    }

    /// Puts a pool in the slot that was kept for it, unless the node has gone on meanwhile; and says what became of it.
    pub(in crate::cluster) fn install(&mut self, Opened { slot, pool }: Opened) -> Option<Event> {
        let (id, writes, limit) = (slot.id, slot.writes, slot.limit);
        let name = |open: &OpenNode| Arc::clone(&open.source.spec.name);
        let waited_for = self
            .open
            .get(&id)
            .filter(|open| open.generation == slot.generation)
            .map(name);
        let Some(name) = waited_for else {
            if let Ok(link) = pool {
                tokio::spawn(async move { link.close().await }.boxed());
            }
            return None;
        };
        let news = match pool {
            Ok(link) => {
                self.put(id, writes, Arc::new(link));
                PoolNews::Opened
            }
            Err(err) => {
                tracing::warn!(node = &*name, error = %signal::told(&err), "no connection to this node could be opened: nothing is sent there until one can be, which is tried again in the background");
                self.leave(id, writes, limit);
                if let Some(open) = self.open.get_mut(&id) {
                    open.missing[usize::from(writes)] = true;
                }
                PoolNews::Missing
            }
        };
        Some(Event::Pool {
            node: id,
            generation: slot.generation,
            news,
        })
    }

    /// Wakes the waiters for a pool: they find it in the snapshot that was just published.
    pub(in crate::cluster) fn wake(&mut self) {
        self.awaited.clear();
    }

    /// Whoever wants a connection waits, until there is a pool.
    fn leave(&mut self, id: NodeId, writes: bool, limit: Duration) {
        let (absent, waiters) = PendingPool::new(limit);
        self.put(id, writes, Arc::new(NodePool::PendingPool(absent)));
        if let Some(open) = self.open.get_mut(&id) {
            open.waiters[usize::from(writes)] = Some(waiters);
        }
    }

    /// A new incarnation, of whose position nothing is known.
    fn put(&mut self, id: NodeId, writes: bool, link: Arc<NodePool>) {
        if let Some(open) = self.open.get_mut(&id) {
            let known = open.side(writes).as_ref();
            let name = known.map(|known| Arc::clone(&known.node.name));
            let name = name.unwrap_or_else(|| Arc::clone(&open.source.spec.name));
            let node = Node::new(id, name, open.generation, link)
                .reached(open.source.config(), &open.source.trouble);
            open.put(writes, node);
            self.awaited
                .extend(open.waiters[usize::from(writes)].take());
        }
    }
}
