//! What is done out of our sight on connections that were handed out, by whichever handle of the cluster (rule C7).
//!
//! Handles that share a clock see each other's writes, and so they have to see what is committed on each other's
//! `concrete()`. The clock knows who handed something out, and every read asks all of them. A count of what is out, kept
//! in the clock, was rejected: nothing tells that a connection was taken from its pool, so only the pool can be asked.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use super::Clock;

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
struct One {
    who: Weak<dyn HandsOut>,
    settled: Arc<Settled>,
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

type Those = Vec<One>;

/// The handles of a clock that have handed connections out.
#[derive(Default)]
pub(super) struct HandedOut {
    any: AtomicBool,
    those: ArcSwap<Those>,
    /// When a connection last came back, or was out while somebody read.
    tick: AtomicU64,
}

impl std::fmt::Debug for HandedOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandedOut").finish_non_exhaustive()
    }
}

impl HandedOut {
    fn add(&self, new: &Those) {
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
}

impl Clock {
    /// A handle hands connections out from now on; nobody has one yet. `settled`: once it is gone, it counts as in use
    /// until this says that the clocks have ticked.
    pub(crate) fn hands_out(&self, who: Weak<dyn HandsOut>, settled: Arc<Settled>) {
        let new = vec![One { who, settled }];
        self.add_handed_out(&new);
        self.each_peer(|peer| peer.add_handed_out(&new));
    }

    fn add_handed_out(&self, new: &Those) {
        // A pool that was taken in one place is used in any task.
        self.tasks.folded().mark_concrete();
        self.handed_out.add(new);
    }

    /// Another clock of the cluster: what its handles have handed out matters here as well.
    pub(super) fn learn_of(&self, peer: &Self) {
        if peer.has_handed_out() {
            self.add_handed_out(&peer.handed_out.those.load());
        }
    }

    /// Whether anybody has. Nearly nobody does, and then this one load is all.
    #[inline]
    pub(crate) fn has_handed_out(&self) -> bool {
        self.handed_out.any.load(Ordering::SeqCst)
    }

    /// Whether something is being done there that a replica may lack. Everybody is asked, because each notes what has come
    /// back to it.
    pub(crate) fn is_in_use(&self, splits: bool) -> bool {
        let those = self.handed_out.those.load();
        let mut in_use = false;
        for one in those.iter() {
            in_use |= one.is_in_use(splits);
        }
        in_use
    }

    /// A connection of `concrete()` came back: whatever was done with it returned with this.
    pub(crate) fn note_concrete_returned(&self) {
        let note = |clock: &Self| {
            let tick = clock.tick();
            clock.handed_out.tick.fetch_max(tick, Ordering::AcqRel);
        };
        note(self);
        self.each_peer(note);
    }

    /// A connection of `concrete()` is out while somebody reads: what was committed on it by now counts as returned, and
    /// is covered by whatever capture is sent from now on. One serves all who come before it is.
    pub(crate) fn note_concrete_out(&self) {
        let tick = self.tick_for_next_question();
        self.handed_out.tick.fetch_max(tick, Ordering::AcqRel);
    }

    /// When something of it last counted as returned.
    pub(super) fn concrete_tick(&self) -> u64 {
        self.handed_out.tick.load(Ordering::Acquire)
    }
}
