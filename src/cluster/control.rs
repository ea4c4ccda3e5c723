//! What an application may tell the cluster: who the primary is, who is down, and that it should look.

use super::{Cluster, events::ClusterEvents, inbox::HandleOrder};
use crate::{
    error::{Error, causes::TopologyProblem},
    vocabulary::NodeId,
};

/// What an application knows of its servers, from a cluster manager, a cloud's event or an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterSignal {
    /// Something may have changed: every node is asked now. So is one that was taken out, which would be tried again after up to
    /// `SEALANE_EJECT_MAX`; an attempt to connect to it half a second ago is the last one all the same.
    Refresh,
    /// This node was made the primary. It is asked now, and as soon as it says so itself it takes the writes, without
    /// waiting for what the others say; a node that claims the same epoch gives way to it. An epoch below the greatest
    /// that was seen is not believed on this word alone; see [`Cluster::force_primary`].
    Promoted(String),
    /// This node is down: it gets nothing until it answers.
    Down(String),
}

impl Cluster {
    /// Tells the cluster what the application knows. It comes back at once; what follows from it is in
    /// [`topology`](Self::topology) and in the [events](Self::subscribe).
    ///
    /// Without it, a change is noticed when a statement fails, and by the checks every `SEALANE_CHECK_INTERVAL`. It is
    /// for promotions that leave the old primary writable, which no statement notices.
    ///
    /// ```no_run
    /// # fn f(db: sealane::RoutedConnection) -> Result<(), sealane::Error> {
    /// use sealane::ClusterSignal;
    ///
    /// // The cloud says that a fail-over is complete.
    /// db.cluster().signal(ClusterSignal::Refresh)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Topology`] when no node has this name.
    pub fn signal(&self, signal: ClusterSignal) -> Result<(), Error> {
        let shared = self.shared()?;
        let order = match signal {
            ClusterSignal::Refresh => HandleOrder::Refresh,
            ClusterSignal::Promoted(name) => HandleOrder::Promoted(self.node(&name)?.0),
            ClusterSignal::Down(name) => {
                let (node, generation) = self.node(&name)?;
                HandleOrder::Down(node, generation)
            }
        };
        shared.order(order);
        Ok(())
    }

    /// Takes this node for the primary although what was seen speaks against it: after a restore to a point in time,
    /// whose epoch may be smaller than one that was seen, in a conflict of two primaries, or for a node that is
    /// quarantined. The remembered epoch is set to the node's, and whoever else claims to be the primary now is fenced
    /// until it follows. Returns once the node was asked.
    ///
    /// What was written and seen before, bookmarks included, stands for what survived from then on: sessions read on the
    /// primary until it has told where it begins, and their [`positions_lost`](crate::RoutedConnection::positions_lost)
    /// says so. Standbys that still show an epoch which was given up serve no reads.
    ///
    /// It is for this process: every other handle of it to the cluster follows as soon as it finds that server. Other
    /// processes have to be told in the same way. Be sure that nobody writes to the other one any more.
    ///
    /// # Errors
    /// [`Error::Topology`] when no node has this name, or when it does not say that it is a primary.
    pub async fn force_primary(&self, node: &str) -> Result<(), Error> {
        let shared = self.shared()?;
        let (id, _) = self.node(node)?;
        shared.check(id).await;
        shared.order(HandleOrder::Accept(id));
        shared.check(id).await;
        match shared.snapshot.primary_node() {
            Some(primary) if primary.id == id => Ok(()),
            _ => Err(Error::Topology {
                why: TopologyProblem::NotAPrimary {
                    node: node.to_owned(),
                    nodes: shared.snapshot.describe(),
                },
            }),
        }
    }

    /// What happens to the topology from now on.
    ///
    /// ```no_run
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), sealane::Error> {
    /// use sealane::ClusterEvent;
    ///
    /// let mut events = db.cluster().subscribe()?;
    /// while let Some(event) = events.next().await {
    ///     if let ClusterEvent::PrimaryChanged { node, without, .. } = event {
    ///         println!("{node} takes the writes, after {without:?} without a primary");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub fn subscribe(&self) -> Result<ClusterEvents, Error> {
        Ok(self.shared()?.telemetry.events.subscribe())
    }

    /// A node by its name, with its generation.
    fn node(&self, name: &str) -> Result<(NodeId, u64), Error> {
        let snapshot = self.shared()?.snapshot.load();
        let mut nodes = snapshot.view.nodes().iter();
        let known = nodes.find(|node| &*node.name == name);
        known
            .map(|node| (node.id, node.generation))
            .ok_or_else(|| Error::Topology {
                why: TopologyProblem::NoSuchNode {
                    node: name.to_owned(),
                    nodes: snapshot.describe(),
                },
            })
    }
}
