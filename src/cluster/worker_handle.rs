//! What the handles of a cluster have of its worker (an actor's handle): the ways into its inbox, and whether it is still
//! there.
//!
//! A worker ends with the last handle, with the application's `close`, or with the runtime in which it was started. After
//! the last of these statements go on with what was published, and one warning says so.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{EnterGuard, Handle};

use super::{
    inbox::{HandleInbox, StatementInbox},
    name::ClusterName,
};

/// The handles' side of the worker.
pub(crate) struct WorkerHandle {
    pub(super) statements: StatementInbox,
    pub(super) orders: HandleInbox,
    /// What the cluster is called; nobody else is until it is closed.
    name: ClusterName,
    /// What log lines about the cluster stand in, also those that a statement's task writes.
    pub(crate) span: tracing::Span,
    /// The runtime in which it was connected, if there was one.
    pub(crate) runtime: Option<Handle>,
    /// The application closed it.
    closed: AtomicBool,
    /// The warning that nobody looks after it was given.
    warned: AtomicBool,
}

impl WorkerHandle {
    pub(super) fn new(
        statements: StatementInbox,
        orders: HandleInbox,
        name: ClusterName,
        runtime: Option<Handle>,
    ) -> Self {
        Self {
            statements,
            orders,
            span: name.span(),
            name,
            runtime,
            closed: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    /// The runtime in which the cluster was connected, for what is spawned outside of any.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.runtime.as_ref().map(Handle::enter)
    }

    /// Whether the worker is gone with its runtime while handles live on.
    pub(super) fn is_orphaned(&self) -> bool {
        self.statements.is_closed() && self.runtime.is_some()
    }

    /// Says that it is, once.
    pub(super) fn warn_orphaned(&self) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let _span = self.span.enter();
            tracing::warn!(
                "the runtime in which this cluster was connected is gone: statements go on with the last known \
                 topology, each on a connection of its own, and nothing looks after it; connect inside the runtime that uses the handle"
            );
        }
    }

    /// Whether the application closed it.
    pub(super) fn was_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn mark_closed(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Lets another cluster be called as this one is.
    pub(super) fn release_name(&self) {
        self.name.release();
    }
}
