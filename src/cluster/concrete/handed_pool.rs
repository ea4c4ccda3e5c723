//! One pool that was handed out: the node's own, or a second one (rule C7).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::FutureExt;
use sea_orm::DatabaseConnection;
use tokio::runtime::Handle;

use super::sight::Sight;
#[cfg(feature = "postgres")]
use crate::config::NodeConfig;
use crate::{
    causality::unresolved::By,
    node::{Node, NodePool, SecondPool},
    positions::tracker::Tracker,
    vocabulary::NodeId,
};

pub(super) struct HandedPool {
    pub(super) primary: Option<NodeId>,
    /// The node's own, which the application has where there is no other.
    link: Option<Arc<NodePool>>,
    /// A pool of its own, so what is out of it is what is out of our sight.
    pub(super) own: Option<Arc<SecondPool>>,
    /// How to reach the server beside its pools.
    #[cfg(feature = "postgres")]
    pub(super) direct: Option<Arc<NodeConfig>>,
    pub(super) connection: DatabaseConnection,
    /// The pool was closed, and what comes back to it is waited for.
    retired: AtomicBool,
    /// How many of its connections were opened, and how many there are, as it was last looked at.
    counted: AtomicU64,
    /// The pool was closed, everything came back to it, and that was told as a write.
    pub(super) settled: Arc<AtomicBool>,
}

impl HandedPool {
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
            settled: Arc::default(),
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
    pub(super) fn node_pool(&self) -> Option<&Arc<NodePool>> {
        let own = self.own.as_ref().map(|own| &own.link);
        own.or(self.link.as_ref())
    }

    pub(super) fn was_closed(&self) -> bool {
        self.node_pool().is_some_and(|pool| pool.was_closed())
    }

    /// Whether somebody has a connection of it that was opened to be used, where nothing is read from but the primary.
    pub(super) fn is_out(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.look().in_use)
    }

    /// Whether something is being done through it that a replica may lack. What came back or was closed since the last
    /// time is noted, which nobody else tells. `splits`: whoever asks has replicas.
    pub(super) fn is_in_use(&self, splits: bool, tracker: &Tracker) -> bool {
        match (&self.own, &self.link) {
            // Nothing runs where one comes back to a closed pool, so only the end of all of them is told.
            (Some(own), _) if own.link.is_closed() => !self.settled.load(Ordering::Acquire),
            (Some(own), _) => {
                // One that was opened, written on and closed since the last time leaves no trace where nobody counts.
                let hidden = splits && !own.counts;
                self.note_returns(own, tracker) || hidden
            }
            // Replicas came later, or another handle has them: what of it is the application's, nobody knows.
            (None, Some(link)) => {
                let out = splits && link.needs_second_pool() && link.is_handed_out();
                out && !self.settled.load(Ordering::Acquire)
            }
            (None, None) => false,
        }
    }

    pub(super) fn may_have_written(&self) -> bool {
        self.own.is_some()
            || self
                .link
                .as_ref()
                .is_some_and(|link| link.needs_second_pool())
    }

    /// Whether more connections are out of the node's own pool than statements hold permits.
    pub(super) fn has_more_out_than_us(&self, primary: &Node) -> bool {
        let own = (self.link.as_ref()).filter(|link| Arc::ptr_eq(link, &primary.link));
        let size = own.and_then(|link| link.pool_size());
        size.is_some_and(|pool| primary.permits_held() < pool.size - pool.idle)
    }

    /// Each of its connections was opened to be used, and one that comes back stays for a while. Whether somebody may have
    /// one: by the same look, or one that is opened between two would hide one that was closed.
    fn note_returns(&self, own: &SecondPool, tracker: &Tracker) -> bool {
        loop {
            let known = self.counted.load(Ordering::Acquire);
            let look = own.look();
            if look.count() == known {
                return look.in_use;
            }
            let sight = Sight::of(tracker);
            // Before it is noted: who finds it noted has to find what follows from it as well.
            if let Some(node) = self.primary {
                own.handed
                    .tell_gone(|backend| sight.unresolved(node, By::Backend(backend)));
            }
            sight.returned();
            let (new, old) = (Ordering::AcqRel, Ordering::Acquire);
            let noted = self.counted.compare_exchange(known, look.count(), new, old);
            if noted.is_ok() {
                return look.in_use;
            }
        }
    }

    /// Closes its pool. Whether this was the first to do so.
    pub(super) fn retire(&self, runtime: Option<&Handle>) -> bool {
        // Each end of one is taken for a write, so once.
        if self.retired.swap(true, Ordering::AcqRel) {
            return false;
        }
        if let Some(own) = &self.own {
            own.handed.end();
            let link = Arc::clone(&own.link);
            if let Some(runtime) = runtime {
                runtime.spawn(async move { link.close().await }.boxed());
            }
        }
        true
    }
}
