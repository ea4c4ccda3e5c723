//! The topology behind a handle, for those who look at it or change it.

pub(crate) mod admission;
pub(crate) mod called;
mod catalog;
mod concrete;
mod control;
mod discovery;
mod events;
mod health;
mod heard;
mod idle;
pub(crate) mod inbox;
mod inspection;
mod judging;
mod last_switched;
mod log;
mod metric_sums;
mod name;
mod nodes;
#[cfg(feature = "otel")]
pub(crate) mod otel;
mod probes;
mod report;
pub(crate) mod shadow;
mod shadowed;
pub(crate) mod shared;
mod source;
pub(crate) mod start;
mod topology;
mod unresolved;
mod waiting;
mod whose;
mod worker;
pub(crate) mod worker_handle;

use std::{fmt, sync::Arc};

use sea_orm::DbErr;
use tokio::sync::oneshot;

pub use self::topology::{NodeStatus, Topology, TopologyChange};
pub use self::{
    control::ClusterSignal,
    events::{ClusterEvent, ClusterEvents},
    health::Health,
    inspection::NodeInspection,
    shadow::{KeptOnPrimary, ShadowReport, Unrecognised},
};
use self::{inbox::HandleOrder, shared::Shared, source::Source};
pub use crate::backend::details::ServerDetails;
use crate::{
    config::{NodeConfig, arrange},
    error::{Error, causes::TopologyProblem},
    vocabulary::NodeId,
};

/// A handle to the topology: what it is now, and how to change it.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
/// let topology = db.cluster().topology();
/// assert_eq!(topology.nodes[0].role, sealane::Role::Primary);
/// assert_eq!(topology.to_string(), "memory is primary");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
///
/// ```no_run
/// # async fn f(db: sealane::RoutedConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use sealane::NodeConfig;
///
/// let cluster = db.cluster();
/// println!("{}", cluster.topology());
/// let primary = NodeConfig::primary("postgres://app@db-1/shop")?;
/// let replica = primary.replica_like("db-4")?;
/// let replaced = cluster.replace_nodes([primary, replica]).await?;
/// println!("added {:?}, removed {:?}", replaced.added, replaced.removed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster(Option<Arc<Shared>>);

impl Cluster {
    pub(crate) fn of(shared: Option<Arc<Shared>>) -> Self {
        Self(shared)
    }

    pub(crate) fn shared(&self) -> Result<&Arc<Shared>, Error> {
        self.0.as_ref().ok_or(Error::Disconnected)
    }

    /// Every node and its state, as the next decision will see them.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.0
            .as_ref()
            .map(|shared| Topology::of(shared))
            .unwrap_or_default()
    }

    /// Swaps the list of nodes under running code (rule R8).
    ///
    /// A node that stays the same keeps its pool and its health; a change of name, weight, zone or tags alone takes effect
    /// in place. A new node is warmed first (`warm_up_timeout`, 5 s, else it enters ejected and is probed), and until
    /// then the old list serves. A removed node finishes what runs there within `SEALANE_DRAIN_TIMEOUT`, then it is cut
    /// off; one that returns meanwhile keeps its pool. Calls are carried out one after the other; the last wins.
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Topology`] when the list cannot be used (no primary, the same node twice, another
    /// backend): the old one stays. A replica that is the primary is left out with a warning.
    pub async fn replace_nodes(
        &self,
        nodes: impl IntoIterator<Item = NodeConfig>,
    ) -> Result<TopologyChange, Error> {
        let shared = self.shared()?;
        let arrangement = arrange(nodes)?;
        if arrangement.primary.url.backend() != shared.backend {
            return Err(Error::Topology {
                why: TopologyProblem::OtherBackend {
                    its: arrangement.primary.url.backend(),
                    ours: shared.backend,
                },
            });
        }
        for warning in &arrangement.warnings {
            tracing::warn!("{warning}");
        }
        let replicas = arrangement
            .replicas
            .into_iter()
            .chain(start::sqlite_reader(&shared.config, &arrangement.primary));
        let sources = Source::all(std::iter::once(arrangement.primary).chain(replicas));
        let (answer, answered) = oneshot::channel();
        shared.order(HandleOrder::Replace(sources, answer));
        let changes = answered.await.map_err(|_| gone())??;
        let mut replaced = TopologyChange::of(&changes, &shared.snapshot.load());
        replaced.dropped.extend(arrangement.dropped);
        Ok(replaced)
    }

    /// Sends nothing new to this node; what runs there may finish. The primary cannot be drained.
    ///
    /// # Errors
    /// [`Error::Topology`] when no replica has this name.
    pub fn drain(&self, node: &str) -> Result<(), Error> {
        self.order_for(node, HandleOrder::Drain)
    }

    /// Takes a drained node back.
    ///
    /// # Errors
    /// [`Error::Topology`] when no replica has this name.
    pub fn resume(&self, node: &str) -> Result<(), Error> {
        self.order_for(node, HandleOrder::Resume)
    }

    fn order_for(
        &self,
        name: &str,
        order: impl FnOnce(NodeId) -> HandleOrder,
    ) -> Result<(), Error> {
        let shared = self.shared()?;
        let snapshot = shared.snapshot.load();
        let known = snapshot
            .view
            .nodes()
            .iter()
            .enumerate()
            .find(|(_, node)| &*node.name == name);
        match known {
            Some((index, node)) if snapshot.view.primary != Some(index) => {
                shared.order(order(node.id));
                Ok(())
            }
            Some(_) => Err(Error::Topology {
                why: TopologyProblem::IsThePrimary {
                    node: name.to_owned(),
                },
            }),
            None => Err(Error::Topology {
                why: TopologyProblem::NoSuchNode {
                    node: name.to_owned(),
                    nodes: snapshot.describe(),
                },
            }),
        }
    }

    /// Exports the counters to the installed `metrics` recorder now, instead of at the next whole second.
    ///
    /// # Errors
    /// [`Error::Topology`] when the runtime that looked after this cluster is gone.
    pub async fn export_metrics(&self) -> Result<(), Error> {
        let (done, exported) = oneshot::channel();
        self.shared()?.order(HandleOrder::ExportMetrics(done));
        exported.await.map_err(|_| gone())
    }
}

impl Shared {
    /// Closes every pool. What was taken from them is waited for.
    pub(crate) async fn close(&self) {
        self.mark_closed();
        let (done, closed) = oneshot::channel();
        self.order(HandleOrder::Close(done));
        if closed.await.is_err() {
            // The worker is gone with its runtime, or closed everything before; the pools are still there.
            for node in self.snapshot.load_full().nodes() {
                node.member.node.link.close().await;
            }
        }
        self.worker.release_name();
    }
}

fn gone() -> Error {
    Error::Topology {
        why: TopologyProblem::Closed,
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cluster")
            .field(&self.topology().to_string())
            .finish()
    }
}

impl From<Error> for sea_orm::TransactionError<DbErr> {
    /// `?` in a function that returns the error of a transaction.
    fn from(err: Error) -> Self {
        Self::Connection(err.into())
    }
}
