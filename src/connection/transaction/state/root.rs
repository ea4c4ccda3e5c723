//! What a transaction and the savepoints inside it share, and what its end means.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sea_orm::{DbBackend, DbErr};

use super::{BeginOptions, reads::ReadState};
use crate::{
    causality::{
        OpenWrite,
        gate::Writing,
        unresolved::{By, Trace},
    },
    cluster::shared::Shared,
    dispatch::Reads,
    intent::Change,
    node::Lease,
    span::ConnectionUse,
};

/// Shared by a transaction and the savepoints inside it.
pub(super) struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) lease: Lease,
    pub(super) opening: BeginOptions,
    pub(super) reads: ReadState,
    /// The write that the transaction is, once it may write.
    pub(super) write: OnceLock<OpenWrite>,
    pub(super) marks: Marks,
    /// What measures how long its connection is used.
    pub(super) used: OnceLock<ConnectionUse>,
}

/// What was noted of a transaction as it went on.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) poisoned: AtomicBool,
    /// What ended its connection: nothing more is sent there, or what comes of that would be taken for news of the node.
    pub(super) lost: OnceLock<DbErr>,
    /// Statements ran that this wrapper did not see, or an error was seen: COMMIT looks before it believes.
    pub(super) doubtful: AtomicBool,
    /// The last error that says why rolled all of it back because of others beside it.
    pub(super) undone: AtomicBool,
    /// The error with which the server ended it: what is sent there now would run outside of it.
    pub(super) over: OnceLock<DbErr>,
    /// The error of which its server has not said yet whether it ended it: that is asked before anything else is sent.
    pub(super) untold: Mutex<Option<DbErr>>,
    /// What its connection has prepared does not fit the schema any more.
    pub(super) outdated: AtomicBool,
    /// COMMIT was sent and has not been answered.
    pub(super) committing: AtomicBool,
    /// What statements changed of the schema, so that the catalog is read again after the end.
    pub(super) changed: Mutex<Change>,
    /// A text may have ended it at the server, so that what came before is stored.
    pub(super) may_have_ended: AtomicBool,
    /// Statements ran that this wrapper did not see, and may have changed the connection's settings.
    pub(super) session_changed: AtomicBool,
}

impl Marks {
    /// What a statement changes of the schema counts from the end on.
    pub(super) fn note_change(&self, change: Change) {
        if !change.is_nothing() {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.add(change);
        }
    }

    pub(super) fn untold(&self) -> MutexGuard<'_, Option<DbErr>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Root {
    pub(super) fn new(
        shared: Arc<Shared>,
        lease: Lease,
        writing: Option<Writing>,
        opening: BeginOptions,
        reads: Reads,
    ) -> Self {
        let root = Self {
            reads: ReadState::begin(reads, &lease),
            shared,
            lease,
            opening,
            write: OnceLock::new(),
            marks: Marks::default(),
            used: OnceLock::new(),
        };
        if let Some(writing) = writing.filter(|_| !opening.read_only) {
            root.open_write(writing);
        }
        root
    }

    /// From here on it is a write.
    pub(super) fn open_write(&self, writing: Writing) {
        let mut write = self.shared.tracker.open_write(&self.reads.current, writing);
        write.mark_sent(Trace {
            node: self.lease.node().id,
            by: match self.shared.backend {
                DbBackend::Postgres => By::Began(self.opening.since, Instant::now()),
                _ => By::Nothing,
            },
        });
        // One is enough, and a second one is over at once.
        let _ = self.write.set(write);
    }

    /// Whether the transaction was declared read only and has done nothing that might write, so that its end stores nothing.
    pub(super) fn only_reads(&self) -> bool {
        self.opening.read_only && self.write.get().is_none()
    }
}

impl Drop for Root {
    /// The end of a transaction that may have written, whichever way it came: its COMMIT may have reached the server
    /// even where the caller never heard of it.
    fn drop(&mut self) {
        let marks = &mut self.marks;
        if let Some(write) = self.write.get_mut() {
            write.set_unresolved(marks.committing.load(Ordering::Acquire));
        } else {
            self.reads.saw(&self.shared);
        }
        if *marks.outdated.get_mut() {
            // It is on its way back to the pool.
            self.lease.node().forget_prepared();
        }
        let changed = marks.changed.get_mut();
        let changed = changed.unwrap_or_else(PoisonError::into_inner);
        self.shared.schema_changed(changed);
    }
}
