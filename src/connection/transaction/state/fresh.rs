//! How fresh the reads of a transaction have to be that runs on a replica (rules R6, C9).

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::TransactionState;
use crate::{
    causality::{ReadAffinity, ReadRequirement},
    error::{DbErrKind, Error},
    positions::{arrival_requirement::ArrivalRequirement, bookmark_check, wait::Look},
    vocabulary::{Consistency, Role},
};

/// How often a write is looked after that nobody waits for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl TransactionState {
    /// A read-only transaction on a replica must not take a snapshot that lacks a write of this session which came
    /// after its BEGIN (rule R6): at READ COMMITTED every statement takes one, at REPEATABLE READ the first. So the
    /// statement waits for its own node, which has to come as far as the session had when the statement arrived; later
    /// writes do not prolong that (C5).
    pub(super) async fn wait_until_fresh(&self, kind: DbErrKind) -> Result<(), DbErr> {
        let root = &self.root;
        let begun = root.reads.begun.load(Ordering::Acquire);
        let snapshot = begun && root.opening.one_snapshot;
        let eventual = root.reads.level == Consistency::Eventual;
        if root.lease.role() != Role::Replica || eventual || snapshot {
            return Ok(());
        }
        let (limit, asked) = (root.shared.config.route_timeout, Instant::now());
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
            limit: (asked.elapsed() >= limit)
                .then(|| root.shared.config.setting("route_timeout").into()),
            sent: false,
        }
        .into_db(kind))
    }

    async fn node_catches_up(&self, limit: Duration) -> bool {
        let (shared, replayed) = (&self.root.shared, &self.root.lease.node().replayed);
        // In this order: what the first finds told raises what the second finds needed.
        if self.is_unbound() && replayed.covers(shared.tracker.need(&self.root.reads.current)) {
            return true;
        }
        let mut awaited = ArrivalRequirement::now(&shared.tracker, self.root.reads.current.clone());
        let deadline = Instant::now() + limit;
        // What was observed since it began: where that is not known, nobody here has it for certain.
        if !bookmark_check::are_settled(&shared.tracker, &self.root.reads.current, deadline).await {
            return false;
        }
        let demand = &shared.tracker.demand;
        let (mut unbinding, mut waiting) = (None, None);
        let look = || {
            if !self.is_unbound() {
                unbinding.get_or_insert_with(|| demand.wait_for_answers());
                return Look::NotYet;
            }
            unbinding = None;
            let need = awaited.need(&shared.tracker);
            if replayed.covers(need) {
                return Look::Met(());
            }
            if need != ReadRequirement::Primary {
                // Before the primary has told the position, the replicas' would say nothing.
                waiting.get_or_insert_with(|| demand.wait(need.lsn()));
            }
            Look::NotYet
        };
        shared.tracker.wait_until(deadline, look).await.is_some()
    }

    /// Whether earlier reads of the session, elsewhere, let it read here (rule C9).
    fn is_unbound(&self) -> bool {
        let root = &self.root;
        if root.reads.level != Consistency::Monotonic {
            return true;
        }
        match root.reads.current.bound(&root.shared.clock) {
            ReadAffinity::No => true,
            ReadAffinity::To(only) => Arc::ptr_eq(&only, &root.lease.node().replayed),
            ReadAffinity::Primary => false,
        }
    }

    async fn pin_ends(&self, limit: Duration) -> bool {
        let (shared, began) = (&self.root.shared, Instant::now());
        // What has not returned has no pin yet.
        while shared.tracker.has_open_writes(&self.root.reads.current) {
            if began.elapsed() >= limit {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let limit = limit.saturating_sub(began.elapsed());
        let (stood, now) = (
            &self.root.reads.stood,
            self.root.reads.current.stands(&shared.clock),
        );
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
}
