//! Handing a connection out, and taking it back when its node has lost the role (rule C7): what of that concerns the
//! whole cluster.

use std::sync::{Arc, PoisonError, Weak, atomic::Ordering};

use futures_util::FutureExt;
use sea_orm::DatabaseConnection;

#[cfg(feature = "postgres")]
use super::end;
use super::{Concrete, handed_pool::HandedPool, sight::Sight};
use crate::{
    causality::{HandsOut, unresolved::By},
    cluster::{inbox::StatementNews, shared::Shared},
    intent::Change,
    node::{HandedConnections, Node, Returned, SecondPool, closed},
    vocabulary::NodeId,
};

impl Concrete {
    /// The connection to the current primary, made at the first call under it. Without a primary it is one whose every
    /// statement is an error: SeaORM's `Disconnected` would panic, and what hangs on it would hang on nobody's.
    pub(crate) fn current<'a>(&'a self, shared: &Arc<Shared>) -> &'a DatabaseConnection {
        if shared.snapshot.is_asleep() {
            // Nobody can wait here: whoever asks next may find it awake.
            shared.tell(StatementNews::Waits);
        }
        let primary = shared.snapshot.primary_node();
        let primary = primary.filter(|node| node.link.is_there());
        let id = primary.as_ref().map(|primary| primary.id);
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self
            .pools
            .count()
            .checked_sub(1)
            .and_then(|last| self.pools.get(last));
        // A handle that was closed stays closed.
        let stands = |pool: &&HandedPool| pool.is_of(primary.as_ref());
        let known = match shared.is_closed() {
            true => last,
            false => self.pools.iter().map(|(_, pool)| pool).find(stands),
        };
        if let Some(pool) = known {
            return &pool.connection;
        }
        let mut pool = match &primary {
            Some(primary) => make(shared, primary),
            None => HandedPool::of(None, closed(shared.backend)),
        };
        if let Some(old) = last {
            // The rules of access control hang on the connection, beside `inner`: keep them, change the pool.
            let inner = std::mem::replace(
                &mut pool.connection.inner,
                sea_orm::DatabaseConnectionType::Disconnected,
            );
            pool.connection = old.connection.clone();
            pool.connection.inner = inner;
        }
        let shares: Weak<Shared> = Arc::downgrade(shared);
        let settled = Arc::clone(&self.settled);
        shared.clock.hands_out(shares, settled);
        if primary.is_some() {
            // Where there is none, the last one may come back.
            for (_, old) in self.pools.iter() {
                old.retire(shared.worker.runtime.as_ref());
            }
        }
        let pool = &self.pools[self.pools.push(pool)];
        // The primary may have changed before this was in the list.
        if shared
            .snapshot
            .primary_node()
            .is_some_and(|now| Some(now.id) != id)
        {
            pool.retire(shared.worker.runtime.as_ref());
        }
        &pool.connection
    }

    /// Cuts what is out to a node that was given up (rule T7), whoever has it.
    pub(crate) fn cut(&self, node: NodeId, shared: &Arc<Shared>) {
        for (_, pool) in self.pools.iter() {
            if pool.primary == Some(node) {
                pool.cut(shared);
            }
        }
    }

    /// Closes the pools of nodes that have lost the role: an error there, never a write to a stale one. One that is only
    /// silent keeps its own, as SeaORM's goes on when its server does.
    pub(crate) fn keep(&self, may_reign: impl Fn(NodeId) -> bool, shared: &Arc<Shared>) {
        for (_, pool) in self.pools.iter() {
            // Who got one between the cut and this would have it for good.
            if pool.primary.is_some_and(|node| !may_reign(node))
                && pool.retire(shared.worker.runtime.as_ref())
            {
                pool.cut(shared);
            }
        }
    }

    /// The connections of this node belong to a former incarnation of its server, or lead to another.
    pub(crate) fn renew(&self, node: NodeId, shared: &Arc<Shared>) {
        for (_, pool) in self
            .pools
            .iter()
            .filter(|(_, pool)| pool.primary == Some(node))
        {
            match &pool.own {
                Some(own) if own.link.is_elsewhere() => {
                    pool.retire(shared.worker.runtime.as_ref());
                }
                Some(own) => own.link.renew(),
                None => {}
            }
        }
    }
}

impl HandedPool {
    /// Sockets at once, so that nothing more is sent; then the server's processes, which go on with what they have. A
    /// pool whose name leads elsewhere by now gives no connection any more.
    pub(super) fn cut(&self, shared: &Arc<Shared>) {
        let Some(pool) = self.node_pool() else { return };
        if self.own.is_some() && (pool.is_closed() || pool.is_elsewhere()) {
            self.retire(shared.worker.runtime.as_ref());
        }
        pool.sweep();
        let handed: Option<&Arc<HandedConnections>> = match &self.own {
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
}

fn make(shared: &Arc<Shared>, primary: &Arc<Node>) -> HandedPool {
    if shared.config.idle_after.is_some() && !shared.concrete.is_handed_out() {
        tracing::warn!(
            "a connection was handed out (concrete(), rules of access, a raw pool): as long as this handle lives its cluster \
             does not sleep, whatever {} says; give what needs one a handle of its own, and close that",
            shared.config.setting("idle_after")
        );
    }
    // A lazy pool starts its housekeeping at once, and this may be called from outside the runtime.
    let _context = shared.worker.enter();
    let mut handed = HandedPool::of(Some(primary), primary.link.connection().clone());
    if shared.snapshot.may_split() && !shared.is_closed() {
        handed.own = second_pool(shared, primary).map(Arc::new);
    }
    match &handed.own {
        Some(own) => handed.connection = own.link.connection().clone(),
        None => primary.link.hand_out(),
    }
    if let (Some(pool), Some(runtime)) = (handed.node_pool(), &shared.worker.runtime) {
        let (weak, closed) = (Arc::downgrade(shared), pool.until_closed());
        let (pool, settled) = (Arc::downgrade(pool), Arc::clone(&handed.settled));
        let sight = Sight::of(&shared.tracker);
        runtime.spawn(
            async move {
                closed.await;
                let handle = async {
                    let shared = weak.upgrade();
                    if let Some(shared) = shared.filter(|shared| shared.concrete.was_closed()) {
                        shared.close().await;
                    }
                };
                let returns = async {
                    // Once it is dropped nothing of it is out.
                    if let Some(pool) = pool.upgrade() {
                        pool.close().await;
                    }
                    sight.returned();
                    settled.store(true, Ordering::Release);
                };
                tokio::join!(handle, returns);
            }
            .boxed(),
        );
    }
    handed
}

fn second_pool(shared: &Arc<Shared>, primary: &Arc<Node>) -> Option<SecondPool> {
    let (weak, node) = (Arc::downgrade(shared), primary.id);
    let sight = Sight::of(&shared.tracker);
    primary
        .link
        .second_pool(Arc::new(move |returned: Returned| {
            if !returned.answered {
                sight.unresolved(node, By::Nothing);
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

impl HandsOut for Shared {
    fn is_in_use(&self, splits: bool) -> bool {
        self.concrete.is_in_use(splits, &self.tracker)
    }
}

/// Nobody is left who could be asked what is in use, so all that was done by now counts as returned.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.concrete.may_have_written() {
            self.concrete.is_in_use(true, &self.tracker);
            Sight::of(&self.tracker).returned();
        }
        self.concrete.settled.settle();
    }
}
