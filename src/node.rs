//! A node of the topology at run time: its pool, its accounting, and the leases on it.
//!
//! A lease is the accounting of one statement, stream or transaction: taking it counts, dropping it counts again, so a
//! cancelled future leaks nothing. Leases are taken through a *seat*, the calling thread's share of a node: its
//! counters and its reference count lie in cache lines that no other thread writes, so the hot path of two threads
//! touches nothing that both change.

mod abandoned;
mod absent;
#[cfg(feature = "postgres")]
pub(crate) mod backends;
mod closed;
pub(crate) mod door;
#[cfg(feature = "postgres")]
pub(crate) mod greet;
mod handed;
pub(crate) mod link;
pub(crate) mod open;
mod places;
mod pool_size;
mod prepared;
pub(crate) mod run;
pub(crate) mod sockets;
mod trouble;
#[cfg(feature = "stream")]
mod until_cut;

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, Statement, metric};
use tokio::sync::Notify;

pub(crate) use self::closed::closed;
use self::prepared::Prepared;
use self::run::Call;
use self::sockets::Sockets;
#[cfg(feature = "stream")]
pub(crate) use self::until_cut::UntilCut;
pub(crate) use self::{
    absent::Absent,
    handed::Handed,
    link::{Leased, Lent, Link, Returned, Sibling},
    places::{Line, Place, Places},
    pool_size::PoolSize,
    trouble::Trouble,
};
use crate::{
    config::NodeConfig,
    error::Error,
    metrics::{Entered, NodeMetrics},
    mutants,
    session::{OpenWrite, Replayed},
    signal,
    vocabulary::{Intent, NodeId, Reason, Role},
};

/// How long an idle connection may take to answer; the node's monitor has a time-out of its own.
const ANSWER: Duration = Duration::from_secs(1);

/// How long a connection is waited for that may have ended with an error.
const LOOK: Duration = Duration::from_secs(1);

/// What SeaORM calls after a statement.
pub(crate) type Callback = Arc<dyn Fn(&metric::Info<'_>) + Send + Sync>;

/// One life of one node's pool. A pool that is replaced makes a new `Node` with a greater generation.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// The configured name, or the server's; what metrics and errors show.
    pub(crate) name: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) link: Arc<Link>,
    /// Of its pool, for statements.
    pub(crate) places: Places,
    /// How to reach the server beside its pools; nothing where the application made the connection.
    pub(crate) direct: Option<Arc<NodeConfig>>,
    /// How far it is known to have replayed.
    pub(crate) replayed: Arc<Replayed>,
    /// Since when it has everything that the primary had written by then, in milliseconds after the cluster's start;
    /// 0 while that is not known.
    pub(crate) fresh: Arc<AtomicU64>,
    /// A task asks it for that.
    pub(crate) followed: AtomicBool,
    /// A task opens the connections that are to be kept; two would open twice as many.
    pub(crate) filling: Arc<AtomicBool>,
    /// The server's processes behind the connections of its pool.
    #[cfg(feature = "postgres")]
    pub(crate) backends: Arc<backends::Backends>,
    /// What opening a connection failed with last.
    pub(crate) trouble: Arc<Trouble>,
    cut: AtomicBool,
    sockets: Sockets,
    prepared: Prepared,
}

impl Node {
    pub(crate) fn new(id: NodeId, name: Arc<str>, generation: u64, link: Arc<Link>) -> Self {
        Self {
            id,
            name,
            generation,
            replayed: link
                .guide()
                .map_or_else(Arc::default, |guide| Arc::clone(&guide.replayed)),
            places: Places::of(&link),
            link,
            direct: None,
            fresh: Arc::default(),
            followed: AtomicBool::new(false),
            filling: Arc::default(),
            #[cfg(feature = "postgres")]
            backends: Arc::default(),
            trouble: Arc::default(),
            cut: AtomicBool::new(false),
            sockets: Sockets::default(),
            prepared: Prepared::default(),
        }
    }

    /// Throws away the idle connections that the other side has closed, when there are any: nothing is to be sent on
    /// them. Without any this is a look at a few sockets, or at a clock.
    pub(crate) async fn weed(&self) {
        if self.sockets.may_have_ended(&self.link) {
            self.link.weed().await;
        }
    }

    /// The same server in the same life, under another name.
    pub(crate) fn renamed(&self, name: Arc<str>) -> Self {
        Self {
            direct: self.direct.clone(),
            trouble: Arc::clone(&self.trouble),
            replayed: Arc::clone(&self.replayed),
            fresh: Arc::clone(&self.fresh),
            filling: Arc::clone(&self.filling),
            places: self.places.clone(),
            #[cfg(feature = "postgres")]
            backends: Arc::clone(&self.backends),
            ..Self::new(self.id, name, self.generation, Arc::clone(&self.link))
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

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
    async fn until_cut(&self) {
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
    seat: Arc<Seat>,
    role: Role,
    entered: Entered,
    /// Its place in the node's pool; none before it has one, and none where it keeps it itself.
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

    /// Whether it has a place in the pool now, if one is free.
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

    /// Its place, for what holds it instead.
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
        conn: Leased,
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
    conn: Option<Leased>,
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
                abandoned::until_ready((orphan, conn), place, Arc::clone(self.seat));
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
