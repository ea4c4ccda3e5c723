//! LIFO stack of idle connections in front of a node's pool: last used, first taken (rule T15).
//!
//! Statements take from it and give back to it, and the node's own task gives on to the pool what nobody takes.
//!
//! sqlx asks every connection that comes back whether it lives, a round trip in which nobody has it and its server works
//! for nobody, and hands out the one that was idle longest. So a busy pool went round cold connections and answered each
//! statement twice. A connection whose statement has just been answered needs no question: it serves the next one as it
//! is. A pool of our own was the other way; it would have had to do again what sqlx's does well (opening, back-off, ends
//! of life), and `concrete()` and transactions would have needed a second one beside it.
//!
//! What stays true of the pool: a connection that is here counts as one of the pool's, so there are never more than its
//! greatest number; whoever waits for the pool itself gets the next one that is free; one that nobody takes for a moment,
//! and now and then any, goes back, where its age and its life are looked at. Where a closure of the caller's may look at
//! connections on their way, or the application has the pool, nothing is kept here.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::{Node, NodePool, PooledConnection};

/// How long a connection waits for its next statement before the pool has it again.
const IDLE: Duration = Duration::from_millis(100);

/// Between two looks at what waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Each time that so many were given back, one goes to the pool: a busy connection ages as well.
const BACK_EVERY: u64 = 1_024;

/// The idle connections of one life of a node's pool.
#[derive(Default)]
pub(crate) struct IdleStack(Mutex<Stack>);

#[derive(Default)]
struct Stack {
    /// With the moment from which nobody had it.
    idle: Vec<(PooledConnection, Instant)>,
    /// How many wait for a connection of the pool itself.
    waiting: u32,
    /// How many connections came back so far.
    returned: u64,
    /// A task looks at what waits.
    watched: bool,
}

impl IdleStack {
    fn stack(&self) -> MutexGuard<'_, Stack> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are here.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.stack().idle.len()).unwrap_or(u32::MAX)
    }

    /// The connection that was used last.
    fn take(&self) -> Option<PooledConnection> {
        self.stack().idle.pop().map(|(conn, _)| conn)
    }

    /// Connections that nobody has taken for too long, for the pool; ends the watch when none is left.
    fn expired(&self, now: Instant) -> (Vec<PooledConnection>, bool) {
        let mut stack = self.stack();
        let old = |(_, since): &(PooledConnection, Instant)| now.duration_since(*since) >= IDLE;
        let count = stack.idle.iter().take_while(|one| old(one)).count();
        let expired = stack.idle.drain(..count).map(|(conn, _)| conn).collect();
        stack.watched = !stack.idle.is_empty();
        (expired, stack.watched)
    }

    /// Every connection that is here.
    fn drain(&self) -> Vec<PooledConnection> {
        let mut stack = self.stack();
        stack.idle.drain(..).map(|(conn, _)| conn).collect()
    }
}

/// Somebody waits for a connection of the pool itself: until this is dropped, what comes back goes there.
pub(crate) struct WaitsForPool<'a>(&'a IdleStack);

impl Drop for WaitsForPool<'_> {
    fn drop(&mut self) {
        self.0.stack().waiting -= 1;
    }
}

impl Node {
    /// Takes a connection for whoever has a place: the one that was used last, else one of the pool's.
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, DbErr> {
        self.link.leads_home()?;
        if let Some(conn) = self.idle.take() {
            return Ok(conn);
        }
        let _waits = self.wait_for_pool();
        self.link.acquire().await
    }

    /// For whoever takes a connection from the pool itself, as SeaORM's transactions do. One that is idle here goes there,
    /// unless the pool has some.
    pub(crate) fn wait_for_pool(&self) -> WaitsForPool<'_> {
        let mut stack = self.idle.stack();
        stack.waiting += 1;
        let given = match self.link.has_idle() {
            true => None,
            false => stack.idle.pop(),
        };
        drop(stack);
        drop(given);
        WaitsForPool(&self.idle)
    }

    /// Whether a connection is likely to be there at once; always where the pool is not ours to look into.
    pub(crate) fn has_idle(&self) -> bool {
        !self.idle.stack().idle.is_empty() || self.link.has_idle()
    }

    /// Gives back a connection whose last statement was answered whole.
    pub(super) fn give_back(&self, conn: PooledConnection) {
        if !self.link.keeps_idle() || self.link.is_closed() {
            return;
        }
        let mut stack = self.idle.stack();
        stack.returned += 1;
        if stack.waiting > 0 || stack.returned.is_multiple_of(BACK_EVERY) {
            drop(stack);
            return;
        }
        stack.idle.push((conn, Instant::now()));
        let watch = !std::mem::replace(&mut stack.watched, true);
        drop(stack);
        if watch {
            watch_over(Arc::clone(&self.idle), Arc::clone(&self.link));
        }
    }

    /// Gives the pool all that are idle here.
    pub(super) fn give_all_to_pool(&self) {
        drop(self.idle.drain());
    }

    /// Throws the idle connections away: those here and the pool's (see [`NodePool::sweep`]).
    pub(crate) fn sweep(&self) {
        self.idle
            .drain()
            .into_iter()
            .for_each(PooledConnection::cut);
        self.link.sweep();
    }
}

/// Gives the pool what nobody takes, until nothing is left here, and everything once the pool is closed.
fn watch_over(idle: Arc<IdleStack>, link: Arc<NodePool>) {
    let watch = IdleWatch(idle);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    runtime.spawn(async move {
        let mut closed = link.until_closed();
        loop {
            tokio::select! {
                () = &mut closed => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (expired, more) = watch.0.expired(Instant::now());
            drop(expired);
            if !more {
                return;
            }
        }
    });
}

/// The watch over a stack. Whichever way it ends, also with its runtime, what is left goes to the pool.
struct IdleWatch(Arc<IdleStack>);

impl Drop for IdleWatch {
    fn drop(&mut self) {
        let mut stack = self.0.stack();
        // Another one began since this one found nothing.
        if stack.idle.is_empty() {
            return;
        }
        stack.watched = false;
        let left: Vec<_> = stack.idle.drain(..).collect();
        drop(stack);
        drop(left);
    }
}
