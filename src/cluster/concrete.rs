//! SeaORM's own connection to the primary, for what insists on its type (rule C7).
//!
//! Without replicas it is the handle's own, as in SeaORM: one handle, one pool, whose size, options and closing are the
//! handle's.
//!
//! With replicas it has a pool of its own for each primaryship. What is done through it is not seen here: every return
//! is taken for a write. While one of its connections is out, anything may be committed on it at any time; what was by the
//! time a bare read arrives lies below any position of the primary that is asked for afterwards. So the read waits for
//! that, and for a replica to come so far. Reading on the primary until the connection is back was rejected: a listener
//! never gives it back. The handle's own was rejected there. None of the pool's slots runs when an idle connection is taken
//! by `try_acquire`, so only its counts tell that the application has one. In these a connection of ours stays for a round
//! trip longer than we have it, because sqlx asks it before it is idle again; and a transaction's or a stream's is given
//! back by SeaORM, in a task of sqlx's that nothing of ours can mark or wait for. So after migrations once at the start,
//! reads would ask the primary whenever something there has just ended. Nor does `after_release` run for a connection
//! beyond its greatest age, or of a closed pool; and it may be the application's by SeaORM's options, which nobody can look
//! into: what prepares a connection for a tenant must not be replaced.
//!
//! A closed pool says nothing of what comes back to it. So it counts as in use until all has, and that is a write.
//!
//! References live as long as the handle, in a list that only grows, and only when one is asked for under a new primary.
//! Closing any of these pools closes the handle.
//!
//! When the node loses the role its pool is closed, which takes nothing from those who have a connection. So what is out
//! is cut as well as soon as the node is given up: an error, never a write that only an old primary has.

#[cfg(feature = "postgres")]
mod end;
mod hand_out;
mod handed_pool;
mod sight;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, Ordering},
};

use self::{handed_pool::HandedPool, sight::Sight};
use crate::{causality::Settled, positions::tracker::Tracker, snapshot::Published};

/// The connections handed out so far, the newest last.
#[derive(Default)]
pub(crate) struct Concrete {
    pools: boxcar::Vec<HandedPool>,
    /// One maker at a time, so that two callers get the same pool.
    making: Mutex<()>,
    /// How often the catalog was changed when a connection last came back; -1 where that is not known.
    changes: AtomicI64,
    /// What is left of these once the handle is gone was told.
    settled: Arc<Settled>,
}

impl Concrete {
    /// Whether something is being done through a connection of these, out of our sight. Each is asked, because each notes
    /// what was closed where it was used since the last time, which tells nobody.
    fn is_in_use(&self, splits: bool, tracker: &Tracker) -> bool {
        self.pools.iter().fold(false, |in_use, (_, pool)| {
            pool.is_in_use(splits, tracker) || in_use
        })
    }

    /// Whether a pool of these was given to the application, which may use it at any time.
    pub(crate) fn is_handed_out(&self) -> bool {
        self.pools.iter().any(|(_, pool)| pool.primary.is_some())
    }

    /// Whether anything may have been written through one of these that a replica lacks.
    fn may_have_written(&self) -> bool {
        self.pools.iter().any(|(_, pool)| pool.may_have_written())
    }

    /// Whether a connection of these is busy, where nothing is read from but the primary: as far as that can be told.
    pub(crate) fn is_busy(&self, snapshot: &Published) -> bool {
        let primary = snapshot.primary_node();
        self.pools.iter().any(|(_, pool)| {
            let primary = primary.as_ref().filter(|_| pool.own.is_none());
            pool.is_out() || primary.is_some_and(|primary| pool.has_more_out_than_us(primary))
        })
    }

    /// Whether the schema may have changed since a connection last came back. Taken for granted each time, it kept a
    /// process on the primary whose job queue looks for work in that pool.
    fn may_have_changed(&self, changes: Option<i64>) -> bool {
        let before = self.changes.swap(changes.unwrap_or(-1), Ordering::AcqRel);
        changes.is_none_or(|changes| changes != before)
    }

    /// Whether the application closed one of these.
    pub(crate) fn was_closed(&self) -> bool {
        self.pools.count() != 0 && self.pools.iter().any(|(_, pool)| pool.was_closed())
    }

    /// Closes every pool of these.
    pub(crate) async fn close(&self, tracker: &Tracker) {
        for (_, pool) in self.pools.iter() {
            if let Some(own) = &pool.own {
                own.link.close().await;
                // A closed pool says nothing of the connections that come back to it.
                Sight::of(tracker).returned();
            }
        }
    }
}
