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
//! and now and then any, goes back, where its age is looked at and whether its session is open. Where a closure of the
//! caller's may look at connections on their way, or the application has the pool, nothing is kept here.

mod best;
mod watch;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::Notify;

use super::{Node, NodePool, PooledConnection};
use crate::causality::LedTo;

/// How long a connection waits for its next statement before the pool has it again.
const IDLE: Duration = Duration::from_millis(100);

/// Each time that so many were given back, one goes to the pool: a busy connection ages as well.
const BACK_EVERY: u64 = 1_024;

/// The idle connections of one generation of a node's pool.
#[derive(Default)]
pub(crate) struct IdleStack {
    stack: Mutex<Stack>,
    /// One came back that somebody may take who would have to open one.
    came: Notify,
}

#[derive(Default)]
struct Stack {
    /// With the moment from which nobody had it.
    idle: Vec<(PooledConnection, Instant)>,
    /// How many wait for a connection of the pool itself.
    waiting: u32,
    /// How many wait until one may be opened.
    gated: u32,
    /// How many connections came back so far.
    returned: u64,
    /// A task looks at what waits.
    watched: bool,
    /// Nothing is kept here any more.
    closed: bool,
}

impl std::fmt::Debug for IdleStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("IdleStack").field(&self.len()).finish()
    }
}

impl IdleStack {
    fn stack(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are here.
    pub(super) fn len(&self) -> usize {
        self.stack().idle.len()
    }

    /// The connection that was used last.
    pub(super) fn take(&self) -> Option<PooledConnection> {
        self.stack().idle.pop().map(|(conn, _)| conn)
    }

    /// Keeps a connection, unless it is the pool's turn; whether somebody has to look at what waits from now on.
    fn keep(&self, conn: PooledConnection) -> bool {
        let mut stack = self.stack();
        stack.returned += 1;
        // In turns with those who wait for the pool itself.
        let pools_turn = stack.gated == 0 || !stack.returned.is_multiple_of(2);
        let is_pools = stack.waiting > 0 && pools_turn;
        if stack.closed || is_pools || stack.returned.is_multiple_of(BACK_EVERY) {
            // What goes to the pool goes there without the lock.
            drop(stack);
            drop(conn);
            return false;
        }
        stack.idle.push((conn, Instant::now()));
        if stack.gated > 0 {
            self.came.notify_one();
        }
        !std::mem::replace(&mut stack.watched, true)
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
    pub(super) fn drain(&self) -> Vec<PooledConnection> {
        let mut stack = self.stack();
        stack.idle.drain(..).map(|(conn, _)| conn).collect()
    }

    /// Gives the pool what is here, and keeps nothing from now on.
    pub(super) fn close(&self) {
        self.stack().closed = true;
        drop(self.drain());
    }
}

/// Somebody waits until a connection may be opened, and takes one that comes back before.
pub(super) struct Gated<'a>(&'a IdleStack);

impl<'a> Gated<'a> {
    pub(super) fn at(idle: &'a IdleStack) -> Self {
        idle.stack().gated += 1;
        Self(idle)
    }

    /// Returns when one may have come back.
    pub(super) async fn came(&self) {
        self.0.came.notified().await;
    }
}

impl Drop for Gated<'_> {
    fn drop(&mut self) {
        self.0.stack().gated -= 1;
    }
}

/// Somebody waits for a connection of the pool itself: until this is dropped, what comes back goes there.
pub(crate) struct WaitsForPool<'a>(Option<&'a IdleStack>);

impl Drop for WaitsForPool<'_> {
    fn drop(&mut self) {
        if let Some(idle) = self.0 {
            idle.stack().waiting -= 1;
        }
    }
}

impl NodePool {
    /// Fails once connections that may write lead to another server than this pool's.
    #[inline]
    pub(super) fn leads_home(&self) -> Result<(), DbErr> {
        match self.guide().is_some_and(|guide| guide.is_over()) {
            true => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
            false => Ok(()),
        }
    }
}

impl Node {
    pub(super) fn idle(&self) -> Option<&Arc<IdleStack>> {
        self.link.idle_stack()
    }

    /// The connection that was used last, for whoever has a permit.
    pub(crate) fn take_idle(&self) -> Option<PooledConnection> {
        let idle = self.idle()?;
        self.link.leads_home().ok()?;
        idle.take()
    }

    /// For whoever takes a connection from the pool itself, as SeaORM's transactions do: one that is idle here goes there.
    pub(crate) fn wait_for_pool(&self) -> WaitsForPool<'_> {
        let idle = self.idle().map(|idle| &**idle);
        if let Some(idle) = idle {
            let mut stack = idle.stack();
            stack.waiting += 1;
            let given = stack.idle.pop();
            drop(stack);
            drop(given);
        }
        WaitsForPool(idle)
    }

    /// Gives back a connection whose last statement was answered whole.
    pub(super) fn give_back(&self, conn: PooledConnection) {
        if conn.led_to().is_some_and(LedTo::gives_way) {
            conn.discard();
            return;
        }
        if let Some(idle) = self.idle()
            && idle.keep(conn)
        {
            watch::watch_over(Arc::clone(idle), self.link.until_closed());
        }
    }

    /// Throws away the idle connections that the other side has closed, when there are any: nothing is to be sent on
    /// them. Without any this is a look at a few sockets, or at a clock.
    /// `surely`: also where that was looked at a moment ago.
    pub(crate) async fn weed(&self, surely: bool) {
        if self.sockets.may_have_ended(surely, || self.link.listed()) {
            // The pool asks what comes back to it.
            self.give_all_to_pool();
            self.link.weed().await;
        }
    }

    /// Whether a connection that was taken may be one that its server has closed: it was on its way back to the pool while
    /// the idle ones were asked.
    pub(crate) fn may_hand_out_ended(&self) -> bool {
        self.sockets.has_open_ended()
    }

    /// Gives the pool all that are idle here.
    pub(super) fn give_all_to_pool(&self) {
        if let Some(idle) = self.idle() {
            drop(idle.drain());
        }
    }
}
