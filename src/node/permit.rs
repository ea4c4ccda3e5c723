//! A permit in a node's pool, and the lines that somebody stands in for it.
//!
//! A permit is one of a semaphore in front of the pool. sqlx's own line is no use to a statement that stands in several:
//! whoever comes to its head there connects, and who leaves then throws away what was being opened. A permit is had before
//! the pool is asked, so that leaving a line costs nothing, and a connection under way belongs to a permit that is held until
//! it is there.

use std::{sync::Arc, time::Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    NodePool, PoolSize,
    limiter::{Limiter, Turn},
};

/// The lines in front of a pool that somebody stands in, one after the other, before the pool's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// A share of the pool first, so that those who have to be there keep the rest (rule R7).
    pub(crate) share: Option<Arc<Semaphore>>,
    /// A turn, for what is one statement.
    pub(crate) turn: bool,
}

/// What statements have to have before they take a connection of a node.
#[derive(Clone, Default)]
pub(super) struct Permits {
    /// As many as the pool has connections, first come, first served, and who leaves leaves no gap; none where the pool is
    /// not ours to count.
    pub(super) all: Option<Arc<Semaphore>>,
    /// Whoever gives turns before; none where nobody does, or the node has no server.
    pub(super) limiter: Option<Arc<Limiter>>,
}

impl Permits {
    pub(super) fn of(link: &NodePool) -> Self {
        let most = |pool: PoolSize| usize::try_from(pool.max).unwrap_or(Semaphore::MAX_PERMITS);
        let all = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            all: link.pool_size().map(most).map(all),
            limiter: None,
        }
    }
}

/// A permit in a pool; its drop gives it to whoever has waited longest.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) _own: Option<OwnedSemaphorePermit>,
    #[cfg_attr(
        not(feature = "stream"),
        expect(dead_code, reason = "held, and asked for by streams only")
    )]
    pub(super) share: Option<OwnedSemaphorePermit>,
    /// Given up after the others: who comes next finds a permit.
    pub(super) turn: Option<Turn>,
}

impl Permit {
    /// Whether this permit is one of a share.
    #[cfg(feature = "stream")]
    pub(crate) fn is_shared(&self) -> bool {
        self.share.is_some()
    }

    /// Gives its turn to the next statement, and keeps the permit.
    #[cfg(feature = "stream")]
    pub(crate) fn without_turn(self) -> Self {
        Self { turn: None, ..self }
    }

    /// The statement that was sent then has its answer.
    pub(super) fn answered(&self, sent: Instant) {
        if let Some(turn) = &self.turn {
            turn.answered(sent);
        }
    }
}
