//! One decision about a statement: the question to [`route`], and what the answer comes to for it.

use std::sync::Arc;

use super::{Attempt, NextMove, progress::Crashes};
use crate::{
    causality::ReadRequirement,
    metrics::ClusterCounter,
    node::{Lease, Seat},
    route::{Decision, Forced, RouteRequest, route},
    snapshot::Snapshot,
    state::Spares,
    vocabulary::{Consistency, Intent, Reason, Role},
};

/// A node to go to, in the role that it has in one snapshot, and why.
#[derive(Clone, Copy)]
pub(super) struct Target<'s> {
    pub(super) seat: &'s Arc<Seat>,
    pub(super) role: Role,
    pub(super) reason: Reason,
}

impl<'s> Target<'s> {
    #[inline]
    pub(super) fn of(snapshot: &'s Snapshot, index: usize, reason: Reason) -> Self {
        Self {
            seat: snapshot.member(index).seat(),
            role: snapshot.view.nodes()[index].role,
            reason,
        }
    }
}

impl Attempt<'_> {
    /// One decision: no lock, no allocation, and no guard of the snapshot that outlives it.
    pub(super) fn decide(&mut self) -> NextMove {
        let snapshot = self.request.shared.snapshot.load();
        self.progress.version = snapshot.view.version;
        if self.has_suspicion(&snapshot) {
            self.note_suspicion(&snapshot);
        }
        let (index, reason) = match self.question(&snapshot) {
            Decision::Go { index, reason } => (index, reason),
            Decision::Wait => return NextMove::Wait,
            Decision::Refuse(refusal) => return NextMove::Refuse(refusal),
        };
        if reason == Reason::NotCaughtUp
            && !self.freshness.waited_out
            && self.request.may_wait_for_replica()
        {
            return NextMove::Stale;
        }
        let kind = self.classification;
        let begins = kind.begins && !kind.begins_read_only();
        if !self
            .guards
            .pass_gate(&self.request, self.may_write(), begins)
        {
            return NextMove::Paused;
        }
        // What has to wait is decided again, and counted then.
        let reason = match self.request.shared.is_shadow() {
            true => self.shadowed(&snapshot, reason),
            false => reason,
        };
        self.count(reason);
        self.progress.reason = reason;
        NextMove::Go(self.lease_on(Target::of(&snapshot, index, reason)))
    }

    /// Asks where it goes now.
    pub(super) fn question(&self, snapshot: &Snapshot) -> Decision {
        self.ask(&self.route_request(snapshot), snapshot)
    }

    /// Asks where it would go now if the mode kept nothing on the primary.
    pub(super) fn unshadowed(&self, snapshot: &Snapshot) -> Decision {
        self.ask(&self.wanted(snapshot), snapshot)
    }

    fn ask(&self, request: &RouteRequest<'_>, snapshot: &Snapshot) -> Decision {
        let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
        route(
            request,
            &snapshot.view,
            &mut rng,
            |index| snapshot.member(index).seat().in_flight(),
            |index| self.would_serve(snapshot, index),
        )
    }

    /// Whether what is known of this node lets it serve this read.
    #[inline]
    pub(super) fn would_serve(&self, snapshot: &Snapshot, index: usize) -> bool {
        let request = &self.request;
        let told = !(request.shuns_untold(snapshot) && snapshot.view.nodes()[index].untold);
        let node = &snapshot.member(index).node;
        told && request.allows_lag_of(node, snapshot)
            && self.freshness.allows(request, self.classification, node)
    }

    /// Whether any server is suspected to have crashed under a statement, or one has under this.
    #[inline]
    fn has_suspicion(&self, snapshot: &Snapshot) -> bool {
        snapshot.view.any_suspect || self.progress.crashes != Crashes::default()
    }

    /// Which nodes it keeps away from.
    #[inline]
    pub(super) fn spares(&self, snapshot: &Snapshot) -> Spares {
        match self.has_suspicion(snapshot) {
            true => self.progress.crashes.spares(snapshot, self.read_text()),
            false => Spares::Nobody,
        }
    }

    /// The question, by what the handle, the statement and its attempts want, and by the mode. A `replica()` handle that is
    /// given something else than a read is refused in every mode.
    pub(super) fn route_request<'s>(&'s self, snapshot: &Snapshot) -> RouteRequest<'s> {
        let mut wanted = self.wanted(snapshot);
        let reads = wanted.classification.intent == Intent::Read;
        if self.request.shared.is_shadow() && (reads || wanted.forced != Forced::Replica) {
            wanted.forced = Forced::Primary;
        }
        wanted
    }

    fn wanted<'s>(&'s self, snapshot: &Snapshot) -> RouteRequest<'s> {
        let (request, progress) = (&self.request, &self.progress);
        let classification = self.classification;
        let strong = request.level == Consistency::Strong;
        let forced = match request.overrides.force {
            _ if progress.refused.is_some() => Forced::Primary,
            // A handle that insists on a replica says so itself.
            Forced::No if strong => Forced::Primary,
            // Nothing of it could be proved to be a read (rule R6).
            Forced::No
                if classification.begins_read_only()
                    && request.shared.judging.classifier.knows_nothing() =>
            {
                Forced::Primary
            }
            insisted => insisted,
        };
        let choosy = request.shuns_untold(snapshot) || request.overrides.max_lag.is_some();
        RouteRequest {
            classification,
            forced,
            fresh: self.freshness.wants(choosy),
            preference: request.overrides.preference.as_deref(),
            tried: progress.tried,
            spares: self.spares(snapshot),
            retried: progress.retries > 0,
            waiting: request.shared.admission.waiting(),
        }
    }

    /// Why it is where it is in shadow mode: what it would have been elsewhere, which is counted once for each statement.
    #[cold]
    fn shadowed(&mut self, snapshot: &Snapshot, reason: Reason) -> Reason {
        let reason = match self.unshadowed(snapshot) {
            Decision::Go { index, .. } if snapshot.view.primary != Some(index) => Reason::Shadow,
            Decision::Go { reason, .. } => reason,
            // A replica is insisted on, and none would do: an error without the mode.
            Decision::Refuse(_) => Reason::NoReplica,
            Decision::Wait => reason,
        };
        let (shared, sql) = (self.request.shared, self.request.sql);
        if !std::mem::replace(&mut self.progress.noted, true) {
            shared.shadow.note(reason, sql, || {
                let classifier = self.request.overrides.classifier(shared);
                let verdict = sql.map(|sql| classifier.explain(sql));
                verdict.map_or_else(String::new, |verdict| verdict.part().to_owned())
            });
        }
        reason
    }

    /// Counts what is rare about a route.
    pub(super) fn count(&self, reason: Reason) {
        let shared = self.request.shared;
        match reason {
            Reason::Replica if self.freshness.is_bound() => {
                shared.count(ClusterCounter::CoveredRead);
            }
            Reason::NoReplica => shared.count(ClusterCounter::Diverted),
            Reason::NotCaughtUp => {
                shared.count(ClusterCounter::NotCaughtUp);
                // Before the primary has told the position, the replicas' would say nothing.
                if self.freshness.need != ReadRequirement::Primary {
                    shared.tracker.demand.wish();
                }
            }
            _ => {}
        }
    }

    /// A lease on this node.
    fn lease_on(&self, to: Target<'_>) -> Lease {
        let reason = match self.progress.refused {
            Some(_) => Reason::Corrected,
            None => to.reason,
        };
        let intent = self.classification.intent;
        tracing::debug!(
            target: "sealane::decision",
            node = &*to.seat.node.name,
            role = to.role.as_str(),
            intent = intent.as_str(),
            reason = reason.as_str(),
        );
        Lease::take(to.seat, to.role, intent, reason)
    }
}
