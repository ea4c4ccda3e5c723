//! A node of the topology at run time: its pool, and what is known of the server behind it.
//!
//! Statements lease it through a *seat*, the calling thread's share of a node: its counters and its reference count lie in
//! cache lines that no other thread writes, so the hot path of two threads touches nothing that both change.

mod abandoned;
pub(crate) mod adopted;
#[cfg(feature = "postgres")]
pub(crate) mod asking;
#[cfg(feature = "postgres")]
pub(crate) mod backends;
#[cfg(feature = "postgres")]
pub(crate) mod between;
mod closed;
pub(crate) mod door;
#[cfg(all(feature = "testing", feature = "postgres"))]
pub(crate) mod fence;
mod first_come;
#[cfg(feature = "postgres")]
pub(crate) mod greet;
mod handed_connections;
mod idle_stack;
#[cfg(feature = "otel")]
mod in_line;
mod lag;
#[cfg(feature = "postgres")]
mod late_pooler;
mod lease;
mod limiter;
pub(crate) mod link;
pub(crate) mod local;
#[cfg(feature = "stream")]
mod local_rows;
pub(crate) mod open;
mod openings;
mod pending_pool;
mod permit;
#[cfg(feature = "postgres")]
mod pgpool;
mod pool_size;
mod prepared;
pub(crate) mod run;
#[cfg(feature = "postgres")]
pub(crate) mod seen;
#[cfg(feature = "postgres")]
pub(crate) mod sharing;
pub(crate) mod sockets;
mod trouble;
#[cfg(feature = "stream")]
mod until_cut;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32},
    },
};

use sea_orm::metric;

pub(crate) use self::closed::closed;
pub(crate) use self::{
    first_come::FirstCome,
    handed_connections::HandedConnections,
    idle_stack::IdleStack,
    lag::{LeastPosition, ReplicaLag},
    lease::{Lease, Seat},
    link::{ANSWER, NodePool, PoolState, PooledConnection, Returned, SecondPool},
    pending_pool::PendingPool,
    permit::{Line, Permit},
    pool_size::{PoolLook, PoolSize},
    trouble::Trouble,
};
#[cfg(feature = "stream")]
pub(crate) use self::{local_rows::LocalStatement, until_cut::UntilCut};
use self::{permit::Permits, sockets::Sockets};
use crate::{causality::Replayed, config::NodeConfig, vocabulary::NodeId};

/// What SeaORM calls after a statement.
pub(crate) type Callback = Arc<dyn Fn(&metric::Info<'_>) + Send + Sync>;

/// One generation of one node's pool. A pool that is replaced makes a new `Node` with a greater generation.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// The configured name, or the server's; what metrics and errors show.
    pub(crate) name: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) link: Arc<NodePool>,
    permits: Permits,
    /// How to reach the server beside its pools; nothing where the application made the connection.
    pub(crate) direct: Option<Arc<NodeConfig>>,
    /// How far it is known to have replayed.
    pub(crate) replayed: Arc<Replayed>,
    /// How far it is behind.
    pub(crate) lag: Arc<ReplicaLag>,
    pub(crate) tasks: NodeTasks,
    /// The server's processes behind the connections of its pool.
    #[cfg(feature = "postgres")]
    pub(crate) backends: Arc<backends::Backends>,
    /// What opening a connection failed with last.
    pub(crate) trouble: Arc<Trouble>,
    cut: AtomicBool,
    sockets: Arc<Sockets>,
    /// How often its connections have to forget what they prepared; one task sees to it.
    forgetting: AtomicU32,
    /// How many statements stand in line here.
    #[cfg(feature = "otel")]
    in_line: AtomicU32,
}

/// Which tasks look after a node; a second one of a kind would do the same again.
#[derive(Default)]
pub(crate) struct NodeTasks {
    /// One asks it how far it has replayed.
    pub(crate) followed: AtomicBool,
    /// One opens the connections that are to be kept, whatever the node is called meanwhile.
    pub(crate) filling: Arc<AtomicBool>,
}

impl Node {
    pub(crate) fn new(id: NodeId, name: Arc<str>, generation: u64, link: Arc<NodePool>) -> Self {
        Self {
            id,
            name,
            generation,
            replayed: link
                .guide()
                .map_or_else(Arc::default, |guide| Arc::clone(&guide.replayed)),
            permits: Permits::of(&link),
            direct: None,
            lag: Arc::default(),
            tasks: NodeTasks::default(),
            #[cfg(feature = "postgres")]
            backends: Arc::default(),
            trouble: Arc::default(),
            cut: AtomicBool::new(false),
            sockets: link
                .guide()
                .map_or_else(Arc::default, |guide| Arc::clone(&guide.sockets)),
            forgetting: AtomicU32::new(0),
            #[cfg(feature = "otel")]
            in_line: AtomicU32::new(0),
            link,
        }
    }

    /// This node with the same server in the same incarnation, under another name.
    pub(crate) fn renamed(&self, name: Arc<str>) -> Self {
        Self {
            direct: self.direct.clone(),
            trouble: Arc::clone(&self.trouble),
            replayed: Arc::clone(&self.replayed),
            lag: Arc::clone(&self.lag),
            tasks: NodeTasks {
                filling: Arc::clone(&self.tasks.filling),
                ..NodeTasks::default()
            },
            permits: self.permits.clone(),
            #[cfg(feature = "postgres")]
            backends: Arc::clone(&self.backends),
            ..Self::new(self.id, name, self.generation, Arc::clone(&self.link))
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
