//! SeaORM's own connection to the primary, for what insists on its type (rule C7).
//!
//! What is done through it is not seen here. So it has a pool of its own for each primaryship: while one of its
//! connections is out, bare reads go to the primary, and every return is taken for a write. References to it live as
//! long as the handle, in a list that only grows, and only when one is asked for under a new primary.
//!
//! When the node loses the role its pool is closed, which takes nothing from those who have a connection. So what is out
//! is cut as well as soon as the node is given up: an error, never a write that only an old primary has.

#[cfg(feature = "postgres")]
mod end;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::DatabaseConnection;

use super::shared::Shared;
#[cfg(feature = "postgres")]
use crate::config::NodeConfig;
use crate::{
    intent::Change,
    node::{Node, Sibling, closed},
    words::NodeId,
};

/// The connections handed out so far, the newest last.
#[derive(Default)]
pub(crate) struct Concrete {
    made: boxcar::Vec<Made>,
    /// One maker at a time, so that two callers get the same pool.
    making: Mutex<()>,
}

struct Made {
    primary: Option<NodeId>,
    /// A pool of its own, so what is out of it is what is out of our sight.
    own: Option<Arc<Sibling>>,
    /// How to reach the server beside its pools.
    #[cfg(feature = "postgres")]
    direct: Option<Arc<NodeConfig>>,
    connection: DatabaseConnection,
    /// Its pool was closed, and what comes back to it is waited for.
    retired: AtomicBool,
}

impl Concrete {
    /// The connection to the current primary, made at the first call under it. Without a primary it is one whose every
    /// statement is an error: SeaORM's `Disconnected` would panic, and what hangs on it would hang on nobody's.
    pub(crate) fn current<'a>(&'a self, shared: &Arc<Shared>) -> &'a DatabaseConnection {
        let primary = shared.primary_node().filter(|node| node.link.is_there());
        let id = primary.as_ref().map(|primary| primary.id);
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self
            .made
            .count()
            .checked_sub(1)
            .and_then(|last| self.made.get(last));
        if let Some(made) = last.filter(|made| made.primary == id && !made.is_closed()) {
            return &made.connection;
        }
        let mut made = match &primary {
            Some(primary) => make(shared, primary),
            None => Made::nobodys(closed(shared.backend)),
        };
        if let Some(old) = last {
            // The rules of access control hang on the connection, beside `inner`: keep them, change the pool.
            let inner = std::mem::replace(
                &mut made.connection.inner,
                sea_orm::DatabaseConnectionType::Disconnected,
            );
            made.connection = old.connection.clone();
            made.connection.inner = inner;
            old.retire(shared);
        }
        let made = &self.made[self.made.push(made)];
        // The primary may have changed before this was in the list.
        if shared.primary_node().map(|node| node.id) != id {
            made.retire(shared);
        }
        &made.connection
    }

    /// Whether something is being done through a connection of these, out of our sight.
    pub(crate) fn in_use(&self) -> bool {
        // Empty for nearly everybody, and then this is one load.
        self.made.count() != 0 && self.made.iter().any(|(_, made)| made.in_use())
    }

    /// Closes every pool of these.
    pub(crate) async fn close(&self) {
        for (_, made) in self.made.iter() {
            if let Some(own) = &made.own {
                own.link.close().await;
            }
        }
    }

    /// Cuts what is out to a node that was given up (rule T7), whoever has it.
    pub(crate) fn cut(&self, node: NodeId, shared: &Arc<Shared>) {
        for (_, made) in self.made.iter() {
            if made.primary == Some(node) {
                made.cut(shared);
            }
        }
    }

    /// Closes the pools that belong to another node than the primary: an error there, never a write to a stale one.
    pub(crate) fn primary_is(&self, primary: Option<NodeId>, shared: &Arc<Shared>) {
        for (_, made) in self.made.iter().filter(|(_, made)| made.primary != primary) {
            made.retire(shared);
        }
    }
}

impl Made {
    fn nobodys(connection: DatabaseConnection) -> Self {
        Self {
            primary: None,
            own: None,
            #[cfg(feature = "postgres")]
            direct: None,
            connection,
            retired: AtomicBool::new(false),
        }
    }

    /// Whether nobody can have a connection of it any more.
    fn is_closed(&self) -> bool {
        let over = |own: &Arc<Sibling>| {
            let guide = own.link.guide();
            own.link.is_closed() || guide.is_some_and(|guide| guide.is_over())
        };
        self.own.as_ref().is_some_and(over)
    }

    fn in_use(&self) -> bool {
        self.own
            .as_ref()
            .and_then(|own| own.link.pool_size())
            .is_some_and(|pool| pool.size > pool.idle)
    }

    /// Sockets at once, so that nothing more is sent; then the server's processes, which go on with what they have. A
    /// pool whose name leads elsewhere by now gives no connection any more.
    fn cut(&self, shared: &Arc<Shared>) {
        let Some(own) = &self.own else { return };
        if self.is_closed() {
            self.retire(shared);
        }
        own.link.sweep();
        let backends = own.handed.cut();
        #[cfg(feature = "postgres")]
        if let (Some(node), Some(direct), false) = (self.primary, &self.direct, backends.is_empty())
        {
            end::end(shared, (node, Arc::clone(direct)), backends);
        }
        #[cfg(not(feature = "postgres"))]
        drop(backends);
    }

    fn retire(&self, shared: &Arc<Shared>) {
        // Each end of one is taken for a write, so once.
        if self.retired.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(own) = &self.own {
            let (own, runtime) = (Arc::clone(own), shared.runtime.clone());
            let weak = Arc::downgrade(shared);
            if let Some(runtime) = runtime {
                runtime.spawn(async move {
                    own.link.close().await;
                    // A closed pool says nothing of the connections that come back to it.
                    if let Some(shared) = weak.upgrade() {
                        shared.concrete_returned();
                    }
                });
            }
        }
    }
}

fn make(shared: &Arc<Shared>, primary: &Arc<Node>) -> Made {
    // A lazy pool starts its housekeeping at once, and this may be called from outside the runtime.
    let _context = shared.runtime.as_ref().map(|runtime| runtime.enter());
    let (weak, node) = (Arc::downgrade(shared), primary.id);
    let own = primary.link.sibling(Arc::new(move |answered| {
        if let Some(shared) = weak.upgrade() {
            if !answered {
                shared.concrete_lost(node);
            }
            shared.concrete_returned();
            shared.schema_changed(&Change::Anything);
        }
    }));
    let connection = own
        .as_ref()
        .map_or_else(|| &*primary.link, |own| &own.link)
        .connection()
        .clone();
    Made {
        primary: Some(primary.id),
        own: own.map(Arc::new),
        #[cfg(feature = "postgres")]
        direct: primary.direct.clone(),
        connection,
        retired: AtomicBool::new(false),
    }
}
