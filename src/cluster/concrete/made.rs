//! One of the connections that were handed out, and the pool that it comes from (rule C7).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use sea_orm::DatabaseConnection;

#[cfg(feature = "postgres")]
use super::end;
use super::{super::shared::Shared, sight::Sight};
#[cfg(feature = "postgres")]
use crate::config::NodeConfig;
use crate::{
    causality::losses::By,
    intent::Change,
    node::{Handed, Node, NodePool, Returned, Sibling},
    vocabulary::NodeId,
};

pub(super) struct Made {
    pub(super) primary: Option<NodeId>,
    /// The node's own, which the application has where there is no other.
    link: Option<Arc<NodePool>>,
    /// A pool of its own, so what is out of it is what is out of our sight.
    pub(super) own: Option<Arc<Sibling>>,
    /// How to reach the server beside its pools.
    #[cfg(feature = "postgres")]
    direct: Option<Arc<NodeConfig>>,
    pub(super) connection: DatabaseConnection,
    /// The pool was closed, and what comes back to it is waited for.
    retired: AtomicBool,
    /// How many of its connections were opened, and how many there are, as it was last looked at.
    counted: AtomicU64,
}

impl Made {
    /// What leads to this node, or to none.
    pub(super) fn of(primary: Option<&Arc<Node>>, connection: DatabaseConnection) -> Self {
        Self {
            primary: primary.map(|primary| primary.id),
            link: primary.map(|primary| Arc::clone(&primary.link)),
            own: None,
            #[cfg(feature = "postgres")]
            direct: primary.and_then(|primary| primary.direct.clone()),
            connection,
            retired: AtomicBool::new(false),
            counted: AtomicU64::new(0),
        }
    }

    /// Whether this connection is what the node is reached by, and its server is the one of now.
    pub(super) fn is_of(&self, primary: Option<&Arc<Node>>) -> bool {
        let same_node = self.primary == primary.map(|primary| primary.id);
        same_node
            && match (&self.own, &self.link, primary) {
                (Some(own), ..) => {
                    let retired = self.retired.load(Ordering::Acquire);
                    !retired && !own.link.is_closed() && !own.link.is_elsewhere()
                }
                (None, Some(link), Some(primary)) => Arc::ptr_eq(link, &primary.link),
                _ => true,
            }
    }

    /// The pool that the application has.
    pub(super) fn pool(&self) -> Option<&NodePool> {
        let own = self.own.as_ref().map(|own| &own.link);
        own.or(self.link.as_deref())
    }

    pub(super) fn was_closed(&self) -> bool {
        self.pool().is_some_and(|pool| pool.was_closed())
    }

    pub(super) fn in_use(&self, splits: bool) -> bool {
        match (&self.own, &self.link) {
            (Some(own), _) => {
                let pool = own.link.pool_size();
                // One that was opened, written on and closed since the last time leaves no trace where nobody counts.
                let hidden = splits && !own.counts && !own.link.is_closed();
                hidden || pool.is_some_and(|pool| pool.size > pool.idle)
            }
            // Replicas came later: what of it is the application's, nobody knows.
            (None, Some(link)) => {
                splits && link.needs_sibling() && link.is_lent() && !link.is_closed()
            }
            (None, None) => false,
        }
    }

    pub(super) fn may_have_written(&self) -> bool {
        self.own.is_some() || self.link.as_ref().is_some_and(|link| link.needs_sibling())
    }

    /// Whether more connections are out of the node's own pool than statements hold places.
    pub(super) fn has_more_out_than_us(&self, primary: &Node) -> bool {
        let own = (self.link.as_ref()).filter(|link| Arc::ptr_eq(link, &primary.link));
        let size = own.and_then(|link| link.pool_size());
        size.is_some_and(|pool| primary.places.taken() < pool.size - pool.idle)
    }

    /// Each of its connections was opened to be used, and one that comes back stays for a while.
    pub(super) fn look(&self, shared: &Shared) {
        let Some(own) = self.own.as_ref().filter(|own| !own.link.is_closed()) else {
            return;
        };
        loop {
            let known = self.counted.load(Ordering::Acquire);
            let opened = own.handed.opened();
            let size = own.link.pool_size().map_or(0, |pool| pool.size);
            let now = (u64::from(opened) << u32::BITS) | u64::from(size);
            if now == known {
                return;
            }
            let sight = Sight::of(shared);
            // Before it is noted: who finds it noted has to find what follows from it as well.
            if let Some(node) = self.primary {
                own.handed
                    .tell_gone(|backend| sight.lost(node, By::Backend(backend)));
            }
            sight.returned();
            let (new, old) = (Ordering::AcqRel, Ordering::Acquire);
            if self.counted.compare_exchange(known, now, new, old).is_ok() {
                return;
            }
        }
    }

    /// Sockets at once, so that nothing more is sent; then the server's processes, which go on with what they have. A
    /// pool whose name leads elsewhere by now gives no connection any more.
    pub(super) fn cut(&self, shared: &Arc<Shared>) {
        let Some(pool) = self.pool() else { return };
        if self.own.is_some() && (pool.is_closed() || pool.is_elsewhere()) {
            self.retire(shared);
        }
        pool.sweep();
        let handed: Option<&Arc<Handed>> = match &self.own {
            Some(own) => Some(&own.handed),
            None => pool.handed(),
        };
        let backends = handed.map_or_else(Vec::new, |handed| handed.cut());
        #[cfg(feature = "postgres")]
        if let (Some(node), Some(direct), false) = (self.primary, &self.direct, backends.is_empty())
        {
            end::end(shared, node, Arc::clone(direct), backends);
        }
        #[cfg(not(feature = "postgres"))]
        drop(backends);
    }

    /// Closes its pool. Whether this was the first to do so.
    pub(super) fn retire(&self, shared: &Arc<Shared>) -> bool {
        // Each end of one is taken for a write, so once.
        if self.retired.swap(true, Ordering::AcqRel) {
            return false;
        }
        if let Some(own) = &self.own {
            own.handed.end();
            let (own, runtime) = (Arc::clone(own), shared.worker.runtime.clone());
            let sight = Sight::of(shared);
            if let Some(runtime) = runtime {
                runtime.spawn(async move {
                    own.link.close().await;
                    // A closed pool says nothing of the connections that come back to it.
                    sight.returned();
                });
            }
        }
        true
    }
}

pub(super) fn make(shared: &Arc<Shared>, primary: &Arc<Node>) -> Made {
    // A lazy pool starts its housekeeping at once, and this may be called from outside the runtime.
    let _context = shared.worker.enter();
    let mut made = Made::of(Some(primary), primary.link.connection().clone());
    if shared.snapshot.may_split() && !shared.is_closed() {
        made.own = sibling(shared, primary).map(Arc::new);
    }
    match &made.own {
        Some(own) => made.connection = own.link.connection().clone(),
        None => primary.link.lend(),
    }
    if let (Some(pool), Some(runtime)) = (made.pool(), &shared.worker.runtime) {
        let (weak, closed) = (Arc::downgrade(shared), pool.until_closed());
        runtime.spawn(async move {
            closed.await;
            let shared = weak.upgrade();
            if let Some(shared) = shared.filter(|shared| shared.concrete.was_closed()) {
                shared.close().await;
            }
        });
    }
    made
}

fn sibling(shared: &Arc<Shared>, primary: &Arc<Node>) -> Option<Sibling> {
    let (weak, node) = (Arc::downgrade(shared), primary.id);
    let sight = Sight::of(shared);
    primary.link.sibling(Arc::new(move |returned: Returned| {
        if !returned.answered {
            sight.lost(node, By::Nothing);
        }
        sight.returned();
        let shared = weak.upgrade();
        if let Some(shared) =
            shared.filter(|shared| shared.concrete.may_have_changed(returned.changes))
        {
            shared.schema_changed(&Change::Anything);
        }
    }))
}
