//! What a transaction holds besides its connection: the lease, the pin, and what is known of its state.

mod given;
mod judge;
mod lost;
mod opening;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{DbBackend, DbErr};

pub(super) use self::given::nothing;
pub(crate) use self::opening::BeginOptions;
use crate::{
    causality::{
        Current, ObservedRead, OpenWrite, ReadAffinity, Stood,
        gate::Writing,
        losses::{By, Trace},
    },
    cluster::shared::Shared,
    dispatch::Reads,
    error::{DbErrKind, Error},
    intent::Change,
    node::Lease,
    positions::{bookmark_check, pinned_requirement::PinnedRequirement, wait::Look},
    signal::{self, Signal},
    state::Ran,
    vocabulary::{Consistency, Role, Stage},
};

/// How often a write is looked after that nobody waits for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Shared by a transaction and the savepoints inside it.
struct Root {
    shared: Arc<Shared>,
    lease: Lease,
    opening: BeginOptions,
    /// Whose it is, and what its reads may miss.
    current: Current,
    level: Consistency,
    /// How its session stood before it was decided where it begins.
    stood: Stood,
    /// The read that it is, where later ones must not fall behind it. Its connection was open by now, so that what it
    /// reads later it reads in this life of its server.
    seen: Option<ObservedRead>,
    /// The write that the transaction is, where it may write.
    write: Option<OpenWrite>,
    /// A read has returned, so that a snapshot that serves to the end exists. Only then: a savepoint or a `SET` takes
    /// none, and one that waited in vain or runs beside this one must wait as well.
    begun: AtomicBool,
    poisoned: AtomicBool,
    /// What ended its connection: nothing more is sent there, or what comes of that would be taken for news of the node.
    lost: OnceLock<DbErr>,
    /// Statements ran that this wrapper did not see, or an error was seen: COMMIT looks before it believes.
    doubtful: AtomicBool,
    /// What its connection has prepared does not fit the schema any more.
    outdated: AtomicBool,
    /// COMMIT was sent and has not been answered.
    committing: AtomicBool,
    /// What statements changed of the schema, so that the catalog is read again after the end.
    changed: Mutex<Change>,
    /// A text may have ended it at the server, so that what came before is stored.
    may_have_ended: AtomicBool,
    /// Statements ran that this wrapper did not see, and may have changed the connection's settings.
    session_changed: AtomicBool,
}

impl Drop for Root {
    /// The end of a transaction that may have written, whichever way it came: its COMMIT may have reached the server
    /// even where the caller never heard of it.
    fn drop(&mut self) {
        if let Some(write) = &mut self.write {
            write.set_lost(self.committing.load(Ordering::Acquire));
        } else {
            self.saw();
        }
        if *self.outdated.get_mut() {
            // It is on its way back to the pool.
            self.lease.node().forget_prepared();
        }
        let changed = self.changed.get_mut();
        let changed = changed.unwrap_or_else(PoisonError::into_inner);
        self.shared.schema_changed(changed);
    }
}

impl Root {
    /// What a statement changes of the schema counts from the end on.
    fn note_change(&self, change: Change) {
        if !change.is_nothing() {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.add(change);
        }
    }

    /// The transaction's reads so far are not to be undone by later ones (rule C9).
    fn saw(&self) {
        if self.level == Consistency::Monotonic {
            self.current.saw(&self.shared.clock, self.seen.clone());
        }
    }
}

/// Sets a flag when it is dropped, unless it is disarmed before.
pub(super) struct Armed<'a>(Option<&'a AtomicBool>);

impl Armed<'_> {
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            flag.store(true, Ordering::Release);
        }
    }
}

/// One level of a transaction's hold on its root.
pub(crate) struct TransactionState {
    root: Arc<Root>,
    depth: u32,
}

impl TransactionState {
    pub(crate) fn new(
        shared: Arc<Shared>,
        lease: Lease,
        writing: Option<Writing>,
        opening: BeginOptions,
        reads: Reads,
    ) -> Self {
        let Reads {
            current,
            level,
            stood,
        } = reads;
        let counts = level == Consistency::Monotonic && lease.role() == Role::Replica;
        let seen = counts.then(|| ObservedRead::begin(&lease.node().replayed));
        let write = writing.filter(|_| !opening.read_only).map(|writing| {
            let mut write = shared.tracker.open_write(&current, writing);
            write.is_sent(Trace {
                node: lease.node().id,
                by: match shared.backend {
                    DbBackend::Postgres => By::Began(opening.since, Instant::now()),
                    _ => By::Nothing,
                },
            });
            write
        });
        let flag = || AtomicBool::new(false);
        let root = Root {
            shared,
            lease,
            opening,
            current,
            level,
            stood,
            seen,
            write,
            begun: flag(),
            poisoned: flag(),
            lost: OnceLock::new(),
            doubtful: flag(),
            outdated: flag(),
            committing: flag(),
            changed: Mutex::default(),
            may_have_ended: flag(),
            session_changed: flag(),
        };
        Self {
            root: Arc::new(root),
            depth: 0,
        }
    }

    pub(super) fn nested(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            depth: self.depth + 1,
        }
    }

    pub(super) fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.root.lease
    }

    /// Poisons the transaction unless it is disarmed.
    pub(super) fn poison_on_drop(&self) -> Armed<'_> {
        Armed(Some(&self.root.poisoned))
    }

    pub(super) fn note_unseen(&self) {
        self.root.doubtful.store(true, Ordering::Release);
        // On a replica nobody changes the schema, and nothing is stored.
        if self.lease().role() != Role::Replica {
            self.root.note_change(Change::Anything);
            self.root.may_have_ended.store(true, Ordering::Release);
        }
        self.root.session_changed.store(true, Ordering::Release);
    }

    /// Whether COMMIT would keep a fence that was lifted inside: a `SET` lasts beyond the transaction, and the
    /// connection goes back to the pool (rule I7). What is rolled back takes its settings with it.
    pub(super) fn may_have_lifted_fence(&self) -> bool {
        self.root.shared.config.fence
            && self.lease().role() == Role::Replica
            && self.root.session_changed.load(Ordering::Acquire)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.root.doubtful.load(Ordering::Acquire)
    }

    pub(super) fn check(&self, kind: DbErrKind) -> Result<(), DbErr> {
        if self.root.poisoned.load(Ordering::Acquire) {
            return Err(Error::TransactionPoisoned.into_db(kind));
        }
        self.is_there(kind)
    }

    /// Runs one statement of the transaction: on its node or not at all, never stale, and with a typed error when the
    /// connection is lost. A read takes a snapshot.
    pub(super) async fn run<T>(
        &self,
        kind: DbErrKind,
        ran: Ran,
        work: impl Future<Output = Result<T, DbErr>> + Send,
    ) -> Result<T, DbErr> {
        self.check(kind)?;
        self.wait_until_fresh(kind).await?;
        let sent = Instant::now();
        // A future that is dropped leaves its answer, which may be an error, to whoever comes next.
        let doubt = Armed(Some(&self.root.doubtful));
        let end = self.lease().guard(work).await;
        doubt.disarm();
        self.lease().metrics().ran(sent.elapsed());
        let err = match end {
            Ok(Ok(done)) => {
                self.root.saw();
                if let Ran::Read(_) = ran {
                    self.root.begun.store(true, Ordering::Release);
                }
                return Ok(done);
            }
            Ok(Err(err)) => err,
            Err(cut) => cut.into_db(kind),
        };
        self.root.doubtful.store(true, Ordering::Release);
        if signal::is_outdated(&err) {
            self.root.outdated.store(true, Ordering::Release);
        }
        Err(self.broke(err, kind, ran).await)
    }

    /// What the driver's error means on this node.
    pub(super) fn signal(&self, err: &DbErr) -> Signal {
        signal::of_db_err(err, self.lease().role())
    }

    /// Tells the topology what the driver said of this node, and what ran there.
    pub(super) fn report(&self, stage: Stage, err: &DbErr, ran: Ran) {
        let heard = self.signal(err);
        self.root.shared.report(self.lease(), stage, heard, ran);
    }

    /// COMMIT is being sent; or it has been answered, or never arrived.
    pub(super) fn set_committing(&self, committing: bool) {
        self.root.committing.store(committing, Ordering::Release);
    }

    /// An error may come that this does not see. Where a stream says that what is prepared is out of date.
    #[cfg(feature = "stream")]
    pub(super) fn doubt(&self) -> &AtomicBool {
        self.root.doubtful.store(true, Ordering::Release);
        &self.root.outdated
    }

    /// A read-only transaction on a replica must not take a snapshot that lacks a write of this session which came
    /// after its BEGIN (rule R6): at READ COMMITTED every statement takes one, at REPEATABLE READ the first. So the
    /// statement waits for its own node, which has to come as far as the session had when the statement arrived; later
    /// writes do not prolong that (C5).
    pub(super) async fn wait_until_fresh(&self, kind: DbErrKind) -> Result<(), DbErr> {
        let root = &self.root;
        let begun = root.begun.load(Ordering::Acquire);
        let snapshot = begun && root.opening.one_snapshot;
        let eventual = root.level == Consistency::Eventual;
        if root.lease.role() != Role::Replica || eventual || snapshot {
            return Ok(());
        }
        let (limit, asked) = (root.shared.settings.route_timeout, Instant::now());
        let fresh = if root.shared.tracker.gives_position(root.lease.node()) {
            self.node_catches_up(limit).await
        } else {
            self.pin_ends(limit).await
        };
        if fresh {
            return Ok(());
        }
        Err(Error::NotCaughtUp {
            nodes: vec![root.lease.name()],
            waited: asked.elapsed(),
            sent: false,
        }
        .into_db(kind))
    }

    async fn node_catches_up(&self, limit: Duration) -> bool {
        let (shared, replayed) = (&self.root.shared, &self.root.lease.node().replayed);
        // In this order: what the first finds told raises what the second finds needed.
        if self.is_unbound() && replayed.covers(shared.tracker.need(&self.root.current)) {
            return true;
        }
        let mut awaited = PinnedRequirement::now(&shared.tracker, self.root.current.clone());
        let deadline = Instant::now() + limit;
        // What was observed since it began: where that is not known, nobody here has it for certain.
        if !bookmark_check::are_settled(&shared.tracker, &self.root.current, deadline).await {
            return false;
        }
        let look = || {
            if self.is_unbound() && replayed.covers(awaited.need(&shared.tracker)) {
                return Look::Met(());
            }
            shared.tracker.demand.ask();
            Look::NotYet
        };
        shared.tracker.wait_until(deadline, look).await.is_some()
    }

    /// Whether earlier reads of the session, elsewhere, let it read here (rule C9).
    fn is_unbound(&self) -> bool {
        let root = &self.root;
        if root.level != Consistency::Monotonic {
            return true;
        }
        match root.current.bound(&root.shared.clock) {
            ReadAffinity::No => true,
            ReadAffinity::To(only) => Arc::ptr_eq(&only, &root.lease.node().replayed),
            ReadAffinity::Primary => false,
        }
    }

    async fn pin_ends(&self, limit: Duration) -> bool {
        let (shared, began) = (&self.root.shared, Instant::now());
        // What has not returned has no pin yet.
        while shared.tracker.has_open_writes(&self.root.current) {
            if began.elapsed() >= limit {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let limit = limit.saturating_sub(began.elapsed());
        let (stood, now) = (&self.root.stood, self.root.current.stands(&shared.clock));
        if !shared.tracker.pin.is_trusted {
            // However long it would wait.
            return now.written <= stood.written;
        }
        let remaining = now.pin.remaining(Instant::now());
        if now.pin <= stood.pin || remaining.is_zero() {
            return true;
        }
        tokio::time::sleep(remaining.min(limit)).await;
        remaining <= limit
    }

    /// Whether an aborted state can hide behind a COMMIT that answers `Ok`: PostgreSQL's answers ROLLBACK there and
    /// sqlx takes it for success.
    pub(super) fn aborts_silently(backend: DbBackend) -> bool {
        backend == DbBackend::Postgres
    }
}
