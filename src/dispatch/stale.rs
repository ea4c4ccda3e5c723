//! Reads that no replica is known to be fresh enough for: whether they wait, and what they must not fall behind.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{Attempt, phase::Phase};
use crate::{
    causality::{Current, ObservedRead, ReadAffinity, ReadRequirement},
    cluster::shared::Shared,
    error::Error,
    metrics::ClusterCounter,
    mutants,
    node::{Lease, Node},
    positions::{bookmark_check, pinned_requirement::PinnedRequirement, wait::Look},
    route::{Ask, Decision, Forced, Route},
    snapshot::Snapshot,
    vocabulary::{Consistency, Intent, OnStale, Reason, Role},
};

/// Whether something is being done out of our sight that such a statement has to see.
pub(super) fn unseen(shared: &Shared, current: &Current, level: Consistency, ask: Ask) -> bool {
    level != Consistency::Eventual
        && ask.intent() == Intent::Read
        && shared.tracker.has_unseen(current)
}

impl Attempt<'_> {
    /// Whether this node is known to be fresh enough for it.
    #[inline]
    pub(super) fn may_read(&self, node: &Node) -> bool {
        let replayed = &node.replayed;
        let bound = match &self.bound {
            ReadAffinity::No => true,
            ReadAffinity::To(only) => Arc::ptr_eq(only, replayed),
            ReadAffinity::Primary => false,
        };
        let late = mutants::lives("check_inside_read") && self.need != ReadRequirement::Primary;
        bound
            && ((replayed.covers(self.need) && self.can_tell(node))
                || self.may_ask_each(node)
                || late)
    }

    /// The mutant `check_inside_read`: the read took its snapshot before its node's position was looked at. Whether that
    /// was not enough.
    pub(crate) async fn wait_late(&mut self, lease: &Lease) -> bool {
        let counts = lease.role() == Role::Replica && self.need != ReadRequirement::Nothing;
        if !mutants::lives("check_inside_read") || !counts {
            return false;
        }
        let mut news = lease.node().replayed.news();
        let returned = Instant::now();
        self.shared.tracker.demand.ask();
        let told = news.wait_for(|told| told.is_some_and(|told| told.begun > returned));
        // Whatever comes of it, the position is looked at.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), told).await;
        let behind = !lease.node().replayed.covers(self.need);
        if behind {
            self.need = ReadRequirement::Primary;
        }
        behind
    }

    /// Whether what is known of the node holds for the connection that it gets: a transaction begins on one that cannot
    /// be asked itself.
    fn can_tell(&self, node: &Node) -> bool {
        self.need == ReadRequirement::Nothing
            || self.ask != Ask::BeginReadOnly
            || node.link.guide().is_none_or(|guide| guide.is_hooked())
    }

    /// Whether several servers answer as this node, and the time pin is over (rule C6). Each connection is asked besides
    /// whether its server is far enough, which a transaction cannot do before it has begun; the pin only keeps reads
    /// from asking in vain.
    ///
    /// A node that does not tell whom it follows gets no read of a session that wrote, however long ago: it may be on
    /// another way than the primary, and then neither its position nor its lag says anything. Letting it serve after the
    /// pin was stale by as much as it was further behind than that.
    fn may_ask_each(&self, node: &Node) -> bool {
        node.replayed.is_mixed()
            && self.ask != Ask::BeginReadOnly
            && !self.unseen
            && self.need != ReadRequirement::Primary
            && self.current.pinned_need(&self.shared.clock) == ReadRequirement::Nothing
    }

    /// Whether the node is no further behind than its handle allows (T11). While nobody takes writes, nobody falls
    /// behind.
    pub(super) fn is_near(&self, node: &Node, snapshot: &Snapshot) -> bool {
        let Some(most) = self.scope.max_lag else {
            return true;
        };
        if !self.shared.tracker.gives_position(node) {
            return true;
        }
        let fresh = Duration::from_millis(node.fresh.load(Ordering::Relaxed));
        let now = self.shared.origin.elapsed();
        let now = snapshot.view.lost.map_or(now, |lost| lost.0.min(now));
        !fresh.is_zero() && now.saturating_sub(fresh) <= Duration::from_millis(most.get().into())
    }

    /// Whether the read waits for a replica rather than go to the primary. By time alone there is nothing to wait for.
    pub(super) fn may_wait(&self) -> bool {
        !self.waited_out
            && (self.unseen || self.scope.on_stale(self.shared) != OnStale::Primary)
            && self.shared.tracker.has_positions()
    }

    /// Waits until one replica is known to be fresh enough, and no longer than it may.
    pub(super) async fn wait_until_fresh(&mut self) -> Result<(), Error> {
        let shared = self.shared;
        shared.count(ClusterCounter::StaleWait);
        let begun = Instant::now();
        let limit = self.limit(Phase::Fresh).min(self.limit(Phase::Route));
        let mut awaited = PinnedRequirement::now(&shared.tracker, self.current.clone());
        let mut asked = false;
        let look = || {
            self.unbind();
            let pinned = awaited.need(&shared.tracker);
            self.need = self.with_unbound(pinned);
            if !self.is_behind() {
                return Look::Met(());
            }
            if self.need != ReadRequirement::Primary && !asked {
                // Before the primary has told the position, the replicas' would say nothing.
                shared.tracker.demand.ask();
                asked = true;
            }
            Look::NotYet
        };
        let caught_up = shared.tracker.wait_until(limit, look).await.is_some();
        self.spend(Phase::Route, begun);
        self.spend(Phase::Fresh, begun);
        shared.telemetry.metrics.stale_waits.record(begun.elapsed());
        if caught_up {
            return Ok(());
        }
        self.waited_out = true;
        shared.count(ClusterCounter::StaleTimeout);
        match self.scope.on_stale(shared) {
            OnStale::Error => Err(Error::NotCaughtUp {
                nodes: shared.snapshot.replica_names(),
                waited: begun.elapsed(),
                sent: self.sent,
            }),
            OnStale::Primary | OnStale::Wait => Ok(()),
        }
    }

    fn is_behind(&self) -> bool {
        let snapshot = self.shared.snapshot.load();
        matches!(
            self.question(&snapshot),
            Decision::Go(Route {
                reason: Reason::NotCaughtUp,
                ..
            })
        )
    }

    /// Bookmarks that its session brought are held against the primary before the first read that has to obey them. What
    /// is not known in time sends it there, and the session's next read does not wait for it again.
    pub(super) async fn settle_bookmarks(&mut self) -> Result<(), Error> {
        let clock = &self.shared.clock;
        let obeys = self.ask.intent() == Intent::Read
            && self.scope.force == Forced::No
            && !matches!(self.level, Consistency::Eventual | Consistency::Strong)
            && self.shared.snapshot.has_replicas();
        if !obeys {
            return Ok(());
        }
        if !self.shared.tracker.has_positions() {
            // Nobody can tell what a bookmark stands for, but the primary has it.
            self.need = ReadRequirement::Primary;
            return Ok(());
        }
        let outer = self.current.outer().and_then(|outer| outer.session(clock));
        for session in self.current.session(clock).into_iter().chain(outer) {
            let begun = Instant::now();
            let deadline = match session.has_waited() {
                true => begun,
                false => self.limit(Phase::Fresh),
            };
            let settled = bookmark_check::settle(&self.shared.tracker, &session, deadline).await;
            self.spend(Phase::Fresh, begun);
            match settled {
                Ok(()) => {}
                Err(foreign @ Error::OtherCluster) => return Err(foreign),
                Err(unknown) => {
                    session.waits_no_more();
                    self.waited_out = true;
                    if self.scope.on_stale(self.shared) == OnStale::Error {
                        return Err(unknown);
                    }
                }
            }
        }
        self.need = self.shared.tracker.need(&self.current);
        Ok(())
    }

    /// Looks again at the reads that bound it when it arrived. One for which a position or a tick stands by now binds no more,
    /// and that is needed from then on: whoever takes over the one takes over the other, or a read is held by neither.
    /// Reads that returned after its arrival do not concern it, so what binds nothing is never bound.
    pub(super) fn unbind(&mut self) {
        let (clock, current) = (&self.shared.clock, &self.current);
        let Some(unbound) = &mut self.unbound else {
            return;
        };
        if !matches!(self.bound, ReadAffinity::No) {
            self.bound = current.bound(clock);
        }
        // Anew each time: what takes the primary now is covered by a position in a moment.
        *unbound = current.seen_need(clock);
    }

    /// This, and what the reads need that bind it no more.
    pub(super) fn with_unbound(&self, need: ReadRequirement) -> ReadRequirement {
        self.unbound.map_or(need, |unbound| need.and(unbound))
    }

    /// The statement is about to be sent, on a connection that it holds.
    pub(crate) fn sends(&mut self, lease: &Lease) {
        let counts = self.level == Consistency::Monotonic && lease.role() == Role::Replica;
        self.seen = counts.then(|| ObservedRead::begin(&lease.node().replayed));
    }

    /// The read returned: later reads of its session see as much.
    pub(super) fn saw(&mut self) {
        if self.level == Consistency::Monotonic && !self.writes() {
            self.current.saw(&self.shared.clock, self.seen.take());
        }
    }

    /// Whether the verdict holds no more: the connection that it was given may be the first to say that its session
    /// reads strings in another way than the lexer does. Then it is judged anew.
    fn is_misread(&mut self) -> bool {
        let Some(sql) = self
            .sql
            .filter(|sql| self.shared.judging.classifier.distrusts(sql))
        else {
            return false;
        };
        let Ask::Statement {
            intent: Intent::Read,
            ..
        } = self.ask
        else {
            return false;
        };
        let verdict = self.shared.judging.classifier.verdict(sql);
        self.ask = Ask::Statement {
            intent: verdict.intent,
            reason: verdict.reason,
        };
        self.verdict = Some(verdict);
        true
    }

    /// Sends a read to the primary instead, when the node is not as far as it needs, now that it holds a connection. What was
    /// known when it was routed may have fallen: the connection may be one that another statement opened to a server in a
    /// new life. Whether it has to be routed again.
    pub(crate) fn reroute_if_stale(&mut self, lease: &Lease) -> bool {
        if lease.role() == Role::Replica && self.is_misread() {
            return true;
        }
        // What did not have to wait was decided just now.
        if self.started.is_some() && self.is_kept_off(lease) {
            return true;
        }
        if lease.role() != Role::Replica || self.scope.force == Forced::Replica {
            return false;
        }
        self.unbind();
        self.need = self.with_unbound(self.need);
        let stale = !self.may_read(lease.node());
        if stale {
            // Rare, and the primary is sure.
            self.need = ReadRequirement::Primary;
            self.waited_out = true;
        }
        stale
    }
}
