//! The published snapshot: one value that is swapped in whole, with a watch that wakes whoever waits for the next one
//! (read-copy-update).
//!
//! The worker is the only one that publishes. Statements load it once for each decision, without a lock; whoever waits
//! subscribes before it looks, or a snapshot that comes in between would wake nobody.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::Snapshot;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::vocabulary::NodeId;
use crate::{error::causes::SeenNodes, node::Node, vocabulary::Role};

/// The snapshot that decisions read now.
pub(crate) struct Published {
    current: ArcSwap<Snapshot>,
    /// Tells waiters that a snapshot with a greater number was published.
    changed: watch::Sender<u64>,
    /// Nodes may be found that are not in it.
    grows: bool,
}

impl Published {
    /// The first one. `grows`: the list of nodes is asked for, so that it may become longer.
    pub(crate) fn new(snapshot: Snapshot, grows: bool) -> Self {
        Self {
            changed: watch::Sender::new(snapshot.view.version),
            current: ArcSwap::from_pointee(snapshot),
            grows,
        }
    }

    /// For one decision; not to be held across an await.
    #[inline]
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// For as long as it takes.
    pub(crate) fn load_full(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts another one in its place. Whoever waits has to be woken afterwards.
    pub(crate) fn store(&self, snapshot: Snapshot) {
        self.current.store(Arc::new(snapshot));
    }

    /// Wakes whoever waits for another one: it is this one.
    pub(crate) fn announce(&self, version: u64) {
        self.changed.send_replace(version);
    }

    /// Wakes whoever waits for another one, although there is none.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|_| {});
    }

    /// Hears of each one from now on; ends with the cluster.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether the cluster sleeps: nobody is asked anything for it (T17).
    pub(crate) fn is_asleep(&self) -> bool {
        self.load().view.asleep
    }

    /// The primary's pool as the newest snapshot has it.
    pub(crate) fn primary_node(&self) -> Option<Arc<Node>> {
        Some(Arc::clone(&self.load().primary()?.node))
    }

    /// Ends when this one is the primary no more, or has another pool since it was found dead: what it is asked is in vain
    /// then (rule T7).
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) async fn until_replaced(&self, primary: Option<&Node>) {
        let named = |node: &Node| (node.id, node.generation);
        let mut changed = self.subscribe();
        while self.primary_node().as_deref().map(named) == primary.map(named) {
            // Its sender lives as long as this does.
            let _ = changed.changed().await;
        }
    }

    /// What the primary is called, in errors. Where none is known there is no name: a stand-in reads like a server's.
    pub(crate) fn primary_name(&self) -> Option<String> {
        self.primary_node().map(|node| node.name.to_string())
    }

    /// What the replicas are called, in errors.
    pub(crate) fn replica_names(&self) -> Vec<String> {
        let snapshot = self.load();
        let nodes = snapshot.view.nodes().iter();
        let replicas = nodes.filter(|node| node.role == Role::Replica);
        replicas.map(|node| node.name.to_string()).collect()
    }

    /// Whether there is somewhere else than the primary to go.
    #[inline]
    pub(crate) fn has_replicas(&self) -> bool {
        self.load().view.splits
    }

    /// Whether there may be replicas to read from, now or when they are found.
    pub(crate) fn may_split(&self) -> bool {
        self.grows || self.load().view.nodes().len() > 1
    }

    /// Whether a node was found dead.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn is_ejected(&self, id: NodeId) -> bool {
        let snapshot = self.load();
        let node = snapshot.view.nodes().iter().find(|node| node.id == id);
        node.is_some_and(|node| node.ejected)
    }

    /// Every node and its state, in words.
    pub(crate) fn describe(&self) -> SeenNodes {
        self.load().describe()
    }
}
