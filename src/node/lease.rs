//! A seat at a node and the lease on it: the accounting of one statement, stream or transaction, and what runs it.
//!
//! An RAII guard: taking it counts, dropping it counts again, so a cancelled future leaks nothing.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, Statement};
use tokio::sync::Notify;

use super::{Line, Node, Place, PooledConnection, abandoned, run::Call};
use crate::{
    causality::OpenWrite,
    error::Error,
    metrics::{Entered, NodeMetrics},
    mutants, signal,
    vocabulary::{Intent, Reason, Role},
};

/// How long a connection is waited for that may have ended with an error.
const LOOK: Duration = Duration::from_secs(1);

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
    /// The lease's place in the node's pool; none before it has one, and none where something else holds it instead.
    place: Option<Place>,
    /// When the statement was handed to a connection; none where nothing was, or where a transaction times its own.
    sent: Option<Instant>,
    /// The connection was asked after an error that left open whether its session is over, and answered.
    lives: bool,
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
            place: None,
            sent: None,
            lives: false,
        }
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.seat.node
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Whether the lease has a place in the pool now, if one is free.
    pub(crate) fn try_place(&mut self, line: &Line) -> bool {
        if self.place.is_none() {
            self.place = self.node().places.try_take(line);
        }
        self.place.is_some()
    }

    /// Gives it this place.
    pub(crate) fn put(&mut self, place: Option<Place>) {
        self.place = place;
    }

    /// Takes the lease's place, for what holds it instead.
    pub(crate) fn take_place(&mut self) -> Option<Place> {
        self.place.take()
    }

    pub(crate) fn metrics(&self) -> &NodeMetrics {
        &self.seat.metrics
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

    fn cut_off(&self, has_begun: bool) -> Error {
        let node = self.name();
        match has_begun {
            true => Error::CutOff { node },
            false => Error::GivenUp { node },
        }
    }

    /// Runs a statement on a connection of this node. A cut node's connection is thrown away, not given back. `write` is
    /// what is open with it: a future that is dropped does not take its statement back (rule C1).
    pub(crate) async fn run<C: Call>(
        &mut self,
        conn: PooledConnection,
        call: &C,
        stmt: &Statement,
        write: Option<&OpenWrite>,
    ) -> Result<C::Output, DbErr> {
        self.sending();
        let mut flight = Flight {
            conn: Some(conn),
            place: self.place.take(),
            open: write,
            seat: &self.seat,
        };
        let Some(conn) = &mut flight.conn else {
            return Err(self.cut_off(false).into_db(C::KIND));
        };
        let ran = self.guard(call.run(conn, stmt)).await;
        if let Ok(Err(err)) = &ran
            && signal::is_doubtful(err)
        {
            // The flight still holds it, so that a caller who leaves now leaves a write that is looked after.
            let ready = tokio::time::timeout(LOOK, conn.ready());
            self.lives = ready.await == Ok(true);
        }
        let mut conn = flight.conn.take();
        if let Ok(Err(err)) = &ran
            && signal::is_outdated(err)
            && let Some(own) = conn.take()
        {
            // Where it cannot it is gone, which is as good.
            drop(own.forgetting().await);
        }
        if let Ok(Ok(_)) = &ran
            && let Some(own) = conn.take()
        {
            self.seat.node.give_back(own);
        }
        ran.unwrap_or_else(|cut| {
            if let Some(conn) = conn {
                conn.cut();
            }
            Err(cut.into_db(C::KIND))
        })
    }
}

/// A connection with a statement on it. Dropped before the answer, a write stays open until its connection is ready
/// again; where that cannot be waited for, it counts as lost. A read keeps its place until then: its server is at it
/// still, and nobody else would find the connection.
struct Flight<'a> {
    conn: Option<PooledConnection>,
    place: Option<Place>,
    open: Option<&'a OpenWrite>,
    seat: &'a Arc<Seat>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else {
            return;
        };
        let place = self.place.take();
        match self.open.and_then(OpenWrite::abandon) {
            Some(orphan) => {
                abandoned::until_ready(orphan, conn, place, Arc::clone(self.seat));
            }
            None => abandoned::give_back(conn, place),
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
