//! What is done out of our sight on connections that were handed out, by whichever handle of the cluster (rule C7).
//!
//! Handles that share a clock see each other's writes, and so they have to see what is committed on each other's
//! `concrete()`. The clock knows who handed something out, and every read asks all of them. A count of what is out, kept
//! in the clock, was rejected: nothing tells that a connection was taken from its pool, so only the pool can be asked.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::{ArcSwap, Guard};

/// Somebody who has handed connections out.
pub(crate) trait HandsOut: Send + Sync {
    /// Whether something is being done on them that a replica may lack. `splits`: whoever asks has replicas.
    fn is_in_use(&self, splits: bool) -> bool;
}

/// Whether the clocks have ticked for somebody who handed connections out and is gone.
#[derive(Debug, Default)]
pub(crate) struct Settled(AtomicBool);

impl Settled {
    /// The clocks have ticked, all of them.
    pub(crate) fn settle(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_settled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// One who has. Weak, so that a handle that is gone is asked no more; and what says whether that is all: between its last
/// reference and its tick nothing can be asked, while what was written is there.
#[derive(Clone)]
pub(super) struct One {
    pub(super) who: Weak<dyn HandsOut>,
    pub(super) settled: Arc<Settled>,
}

impl One {
    fn is_in_use(&self, splits: bool) -> bool {
        match self.who.upgrade() {
            Some(who) => who.is_in_use(splits),
            None => !self.settled.is_settled(),
        }
    }

    fn is_over(&self) -> bool {
        self.who.strong_count() == 0 && self.settled.is_settled()
    }
}

pub(super) type Those = Vec<One>;

/// The handles of a clock that have handed connections out.
#[derive(Default)]
pub(super) struct HandedOut {
    any: AtomicBool,
    those: ArcSwap<Those>,
}

impl std::fmt::Debug for HandedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandedOut").finish_non_exhaustive()
    }
}

impl HandedOut {
    pub(super) fn add(&self, new: &Those) {
        self.those.rcu(|those| {
            let lives = those.iter().filter(|one| !one.is_over());
            let mut all: Those = lives.cloned().collect();
            for one in new {
                if !all.iter().any(|known| known.who.ptr_eq(&one.who)) {
                    all.push(one.clone());
                }
            }
            all
        });
        self.any.store(true, Ordering::SeqCst);
    }

    /// Whether anybody has. Nearly nobody does, and then this one load is all.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// The handles that have handed something out, for another clock of the cluster.
    pub(super) fn all(&self) -> Guard<Arc<Those>> {
        self.those.load()
    }

    /// Whether something is being done there that a replica may lack. Everybody is asked, because each notes what has come
    /// back to it.
    pub(super) fn is_in_use(&self, splits: bool) -> bool {
        let those = self.those.load();
        let mut in_use = false;
        for one in those.iter() {
            in_use |= one.is_in_use(splits);
        }
        in_use
    }
}
