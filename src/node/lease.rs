//! A seat at a node and the lease on it: the accounting of one statement, stream or transaction.
//!
//! RAII guards: a cancelled future leaks nothing.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::Instant,
};

use tokio::sync::Notify;

use super::{Line, Node, Permit, limiter::Limiter};
use crate::{
    error::Error,
    metrics::{Entered, NodeMetrics},
    mutants,
    vocabulary::{Intent, Reason, Role},
};

/// One thread's share of a node. Aligned so that no two seats share a cache line (128 bytes: adjacent lines are
/// fetched in pairs).
#[repr(align(128))]
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) node: Arc<Node>,
    pub(crate) metrics: Arc<NodeMetrics>,
    cut: Notify,
}

impl Seat {
    pub(crate) fn new(node: Arc<Node>, metrics: Arc<NodeMetrics>) -> Self {
        Self {
            node,
            metrics,
            cut: Notify::new(),
        }
    }

    /// What this thread has in flight on the node: the load it can know without asking other threads' caches.
    pub(crate) fn in_flight(&self) -> u32 {
        u32::try_from(self.metrics.in_flight_here()).unwrap_or(u32::MAX)
    }

    /// Ends what runs on this node, at once (rule T7).
    pub(crate) fn cut(&self) {
        self.node.cut.store(true, Ordering::Release);
        self.cut.notify_waiters();
    }

    /// Returns when the node has been cut off.
    pub(super) async fn until_cut(&self) {
        let notified = self.cut.notified();
        // A `Notified` that exists before the flag is read hears a `notify_waiters` that comes after it.
        if !self.node.cut.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

/// The accounting of one statement, stream or transaction on one node.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(super) seat: Arc<Seat>,
    role: Role,
    entered: Entered,
    /// The lease's permit in the node's pool; none before it has one, and none where something else holds it instead.
    pub(super) permit: Option<Permit>,
    /// When the statement was handed to a connection; none where nothing was, or where a transaction times its own.
    pub(super) sent: Option<Instant>,
    /// The statement needs a server that is known, to write there or to read what its session saw.
    pub(super) bound: bool,
    /// The connection was asked after an error that left open whether its session is over, and answered.
    pub(super) lives: bool,
}

impl Lease {
    /// Counts a statement in.
    pub(crate) fn take(seat: &Arc<Seat>, role: Role, intent: Intent, reason: Reason) -> Self {
        seat.metrics.statement(role, intent, reason);
        Self::moved(seat, role)
    }

    /// A lease for a statement that was counted in already, where it stood in line before.
    pub(crate) fn moved(seat: &Arc<Seat>, role: Role) -> Self {
        Self {
            seat: Arc::clone(seat),
            role,
            entered: seat.metrics.enter(),
            permit: None,
            sent: None,
            bound: false,
            lives: false,
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.seat.node
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Whether the lease has a permit in the pool now, if one is free.
    pub(crate) fn try_permit(&mut self, line: &Line) -> bool {
        if self.permit.is_none() {
            self.permit = self.node().try_permit(line);
        }
        self.permit.is_some()
    }

    /// Notes whether the statement needs a server that is known.
    pub(crate) fn bind(&mut self, bound: bool) {
        self.bound = bound;
    }

    /// Gives it this permit.
    pub(crate) fn put(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    /// Takes the lease's permit, for what holds it instead.
    pub(crate) fn take_permit(&mut self) -> Option<Permit> {
        self.permit.take()
    }

    pub(crate) fn metrics(&self) -> &NodeMetrics {
        &self.seat.metrics
    }

    pub(crate) fn shared_metrics(&self) -> Arc<NodeMetrics> {
        Arc::clone(&self.seat.metrics)
    }

    /// From here to the lease's end is the statement's time. Asking the clock costs more than the rest of a lease, so
    /// it is asked for what is sent and for nothing else.
    pub(crate) fn sending(&mut self) {
        self.sent = Some(Instant::now());
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn name(&self) -> String {
        self.seat.node.name.to_string()
    }

    /// Runs a future that hands something to this node, unless the node is cut off first. From then on it is not polled:
    /// work of several steps would send its next one. Polled before the cut was looked at, eight of eight transactions
    /// were stored on an old primary.
    ///
    /// # Errors
    /// [`Error::GivenUp`] where nothing was sent, [`Error::CutOff`] where nobody knows what became of it.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let (mut work, mut cut) = (pin!(work), pin!(self.seat.until_cut()));
        let mut has_begun = false;
        poll_fn(|cx| {
            if self.is_cut() && !mutants::lives("work_before_cut") {
                return Poll::Ready(Err(self.cut_off(has_begun)));
            }
            has_begun = true;
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            cut.as_mut().poll(cx).map(|()| Err(self.cut_off(true)))
        })
        .await
    }

    /// Whether the node was cut off, so that nothing new may be sent there.
    pub(crate) fn is_cut(&self) -> bool {
        self.seat.node.cut.load(Ordering::Acquire)
    }

    /// Whether its session went on after an error that left that open.
    pub(crate) fn lives(&self) -> bool {
        self.lives
    }

    pub(super) fn cut_off(&self, has_begun: bool) -> Error {
        let node = self.name();
        match has_begun {
            true => Error::CutOff { node },
            false => Error::GivenUp { node },
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.seat.metrics.leave(self.entered);
        if let Some(sent) = self.sent {
            self.seat.metrics.ran(sent.elapsed());
        }
    }
}

impl Node {
    /// This node, with turns for statements, where it is a server's and its pool is ours.
    pub(crate) fn limited(mut self) -> Self {
        let pool = self.link.port().and_then(|_| self.link.pool_size());
        self.permits.limiter = pool.map(|pool| Arc::new(Limiter::new(pool.max)));
        self
    }

    /// How many statements it is given at a time.
    pub(crate) fn statement_limit(&self) -> u32 {
        let limiter = self.permits.limiter.as_ref();
        limiter.map_or_else(|| self.most(), |limiter| limiter.limit())
    }

    /// How many permits are held.
    pub(crate) fn permits_held(&self) -> u32 {
        self.permits.all.as_ref().map_or(0, |permits| {
            let free = u32::try_from(permits.available_permits());
            self.most().saturating_sub(free.unwrap_or(u32::MAX))
        })
    }

    fn most(&self) -> u32 {
        self.link.pool_size().map_or(0, |pool| pool.max)
    }

    /// A permit that is free; never past somebody who waits.
    fn try_permit(&self, line: &Line) -> Option<Permit> {
        let share = match &line.share {
            None => None,
            Some(share) => Some(Arc::clone(share).try_acquire_owned().ok()?),
        };
        let turn = match &self.permits.limiter {
            Some(limiter) if line.turn => Some(limiter.try_take()?),
            _ => None,
        };
        let own = match &self.permits.all {
            None => None,
            Some(permits) => Some(Arc::clone(permits).try_acquire_owned().ok()?),
        };
        Some(Permit {
            _own: own,
            share,
            turn,
        })
    }

    /// A permit as soon as it is free. In this order, so that whoever waits for its share or its turn is in nobody's
    /// way.
    pub(crate) async fn take_permit(&self, line: Line) -> Permit {
        let share = match line.share {
            None => None,
            // Neither is ever closed.
            Some(share) => share.acquire_owned().await.ok(),
        };
        let turn = match &self.permits.limiter {
            Some(limiter) if line.turn => Some(limiter.take().await),
            _ => None,
        };
        let own = match &self.permits.all {
            None => None,
            Some(permits) => Arc::clone(permits).acquire_owned().await.ok(),
        };
        Permit {
            _own: own,
            share,
            turn,
        }
    }
}
