//! What a transaction holds besides its connection: the lease, the pin, and what is known of its state.

mod fresh;
mod given;
mod judge;
mod lost;
mod observe;
mod opening;
mod reads;
mod root;
mod run;
mod undone;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::{DbBackend, DbErr};

pub(super) use self::given::nothing;
pub(crate) use self::opening::BeginOptions;
use self::root::Root;
use crate::{
    causality::gate::Writing,
    cluster::shared::Shared,
    dispatch::Reads,
    intent::Change,
    node::Lease,
    signal::{self, Signal},
    state::Ran,
    vocabulary::{Role, Stage},
};

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
        Self {
            root: Arc::new(Root::new(shared, lease, writing, opening, reads)),
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

    pub(in crate::connection) fn lease(&self) -> &Lease {
        &self.root.lease
    }

    /// A text in the transaction may have ended it, so that what failed later says nothing of what came before.
    pub(in crate::connection) fn may_have_ended(&self) -> bool {
        self.root.marks.may_have_ended.load(Ordering::Acquire)
    }

    /// Poisons the transaction unless it is disarmed.
    pub(super) fn poison_on_drop(&self) -> Armed<'_> {
        Armed(Some(&self.root.marks.poisoned))
    }

    pub(super) fn note_unseen(&self) {
        self.root.marks.doubtful.store(true, Ordering::Release);
        // On a replica nobody changes the schema, and nothing is stored.
        if self.lease().role() != Role::Replica {
            self.root.marks.note_change(Change::Anything);
            self.root
                .marks
                .may_have_ended
                .store(true, Ordering::Release);
            self.note_declaration_unseen();
        }
        self.root
            .marks
            .session_changed
            .store(true, Ordering::Release);
    }

    /// Whether COMMIT would keep a read-only default that was lifted inside: a `SET` lasts beyond the transaction, and
    /// the connection goes back to the pool (rule I7). What is rolled back takes its settings with it.
    pub(super) fn may_have_lifted_read_only_default(&self) -> bool {
        let shared = &self.root.shared;
        // Where every node takes writes none has that default (T18).
        shared.config.fence
            && !shared.tracker.pin.reads_are_fresh
            && self.lease().role() == Role::Replica
            && self.root.marks.session_changed.load(Ordering::Acquire)
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.root.marks.doubtful.load(Ordering::Acquire)
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
        self.root
            .marks
            .committing
            .store(committing, Ordering::Release);
    }

    /// An error may come of which only a stream hears, and nobody reads that to its end.
    #[cfg(feature = "stream")]
    pub(super) fn doubt(&self) {
        self.root.marks.doubtful.store(true, Ordering::Release);
    }

    /// Whether an aborted state can hide behind a COMMIT that answers `Ok`: PostgreSQL's answers ROLLBACK there and
    /// sqlx takes it for success.
    pub(super) fn aborts_silently(backend: DbBackend) -> bool {
        backend == DbBackend::Postgres
    }
}
