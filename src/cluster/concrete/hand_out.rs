//! Handing a connection out, and taking it back when its node has lost the role (rule C7): what of that concerns the
//! whole cluster.

use std::sync::{Arc, PoisonError, Weak, atomic::Ordering};

use sea_orm::DatabaseConnection;

#[cfg(feature = "postgres")]
use super::end;
use super::{Concrete, made::Made, sight::Sight};
use crate::{
    causality::{HandsOut, unresolved::By},
    cluster::shared::Shared,
    intent::Change,
    node::{Handed, Node, Returned, Sibling, closed},
    vocabulary::NodeId,
};

impl Concrete {
    /// The connection to the current primary, made at the first call under it. Without a primary it is one whose every
    /// statement is an error: SeaORM's `Disconnected` would panic, and what hangs on it would hang on nobody's.
    pub(crate) fn current<'a>(&'a self, shared: &Arc<Shared>) -> &'a DatabaseConnection {
        let primary = shared.snapshot.primary_node();
        let primary = primary.filter(|node| node.link.is_there());
        let id = primary.as_ref().map(|primary| primary.id);
        let _one = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self
            .made
            .count()
            .checked_sub(1)
            .and_then(|last| self.made.get(last));
        // A handle that was closed stays closed.
        let stands = |made: &&Made| made.is_of(primary.as_ref());
        let known = match shared.is_closed() {
            true => last,
            false => self.made.iter().map(|(_, made)| made).find(stands),
        };
        if let Some(made) = known {
            return &made.connection;
        }
        let mut made = match &primary {
            Some(primary) => make(shared, primary),
            None => Made::of(None, closed(shared.backend)),
        };
        if let Some(old) = last {
            // The rules of access control hang on the connection, beside `inner`: keep them, change the pool.
            let inner = std::mem::replace(
                &mut made.connection.inner,
                sea_orm::DatabaseConnectionType::Disconnected,
            );
            made.connection = old.connection.clone();
            made.connection.inner = inner;
        }
        let shares: Weak<Shared> = Arc::downgrade(shared);
        let settled = Arc::clone(&self.settled);
        shared.clock.hands_out(shares, settled);
        if primary.is_some() {
            // Where there is none, the last one may come back.
            for (_, old) in self.made.iter() {
                old.retire(shared.worker.runtime.as_ref());
            }
        }
        let made = &self.made[self.made.push(made)];
        // The primary may have changed before this was in the list.
        if shared
            .snapshot
            .primary_node()
            .is_some_and(|now| Some(now.id) != id)
        {
            made.retire(shared.worker.runtime.as_ref());
        }
        &made.connection
    }

    /// Cuts what is out to a node that was given up (rule T7), whoever has it.
    pub(crate) fn cut(&self, node: NodeId, shared: &Arc<Shared>) {
        for (_, made) in self.made.iter() {
            if made.primary == Some(node) {
                made.cut(shared);
            }
        }
    }

    /// Closes the pools of nodes that have lost the role: an error there, never a write to a stale one. One that is only
    /// silent keeps its own, as SeaORM's goes on when its server does.
    pub(crate) fn keep(&self, may_reign: impl Fn(NodeId) -> bool, shared: &Arc<Shared>) {
        for (_, made) in self.made.iter() {
            // Who got one between the cut and this would have it for good.
            if made.primary.is_some_and(|node| !may_reign(node))
                && made.retire(shared.worker.runtime.as_ref())
            {
                made.cut(shared);
            }
        }
    }

    /// The connections of this node belong to a former incarnation of its server, or lead to another.
    pub(crate) fn renew(&self, node: NodeId, shared: &Arc<Shared>) {
        for (_, made) in self
            .made
            .iter()
            .filter(|(_, made)| made.primary == Some(node))
        {
            match &made.own {
                Some(own) if own.link.is_elsewhere() => {
                    made.retire(shared.worker.runtime.as_ref());
                }
                Some(own) => own.link.renew(),
                None => {}
            }
        }
    }
}

impl Made {
    /// Sockets at once, so that nothing more is sent; then the server's processes, which go on with what they have. A
    /// pool whose name leads elsewhere by now gives no connection any more.
    pub(super) fn cut(&self, shared: &Arc<Shared>) {
        let Some(pool) = self.pool() else { return };
        if self.own.is_some() && (pool.is_closed() || pool.is_elsewhere()) {
            self.retire(shared.worker.runtime.as_ref());
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
}

fn make(shared: &Arc<Shared>, primary: &Arc<Node>) -> Made {
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
        let (pool, settled) = (Arc::downgrade(pool), Arc::clone(&made.settled));
        let sight = Sight::of(&shared.tracker);
        runtime.spawn(async move {
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
        });
    }
    made
}

fn sibling(shared: &Arc<Shared>, primary: &Arc<Node>) -> Option<Sibling> {
    let (weak, node) = (Arc::downgrade(shared), primary.id);
    let sight = Sight::of(&shared.tracker);
    primary.link.sibling(Arc::new(move |returned: Returned| {
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
        self.concrete.look(splits, &self.tracker)
    }
}

/// Nobody is left who could be asked what is in use, so all that was done by now counts as returned.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.concrete.may_have_written() {
            self.concrete.look(true, &self.tracker);
            Sight::of(&self.tracker).returned();
        }
        self.concrete.settled.settle();
    }
}
