//! What a transaction and the savepoints inside it share, and what its end means.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
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
};

/// Shared by a transaction and the savepoints inside it.
pub(super) struct Root {
    pub(super) shared: Arc<Shared>,
    pub(super) lease: Lease,
    pub(super) opening: BeginOptions,
    pub(super) reads: ReadState,
    /// The write that the transaction is, where it may write.
    pub(super) write: Option<OpenWrite>,
    pub(super) marks: Marks,
}

/// What was noted of a transaction as it went on.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) poisoned: AtomicBool,
    /// What ended its connection: nothing more is sent there, or what comes of that would be taken for news of the node.
    pub(super) lost: OnceLock<DbErr>,
    /// Statements ran that this wrapper did not see, or an error was seen: COMMIT looks before it believes.
    pub(super) doubtful: AtomicBool,
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
}

impl Root {
    pub(super) fn new(
        shared: Arc<Shared>,
        lease: Lease,
        writing: Option<Writing>,
        opening: BeginOptions,
        reads: Reads,
    ) -> Self {
        let write = writing.filter(|_| !opening.read_only).map(|writing| {
            let mut write = shared.tracker.open_write(&reads.current, writing);
            write.mark_sent(Trace {
                node: lease.node().id,
                by: match shared.backend {
                    DbBackend::Postgres => By::Began(opening.since, Instant::now()),
                    _ => By::Nothing,
                },
            });
            write
        });
        Self {
            reads: ReadState::begin(reads, &lease),
            shared,
            lease,
            opening,
            write,
            marks: Marks::default(),
        }
    }
}

impl Drop for Root {
    /// The end of a transaction that may have written, whichever way it came: its COMMIT may have reached the server
    /// even where the caller never heard of it.
    fn drop(&mut self) {
        let marks = &mut self.marks;
        if let Some(write) = &mut self.write {
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
