//! Reads that no replica is known to be fresh enough for: how long they wait, and when they go to the primary instead.

use std::time::Instant;

use super::{Attempt, phase::Phase, request::Request};
use crate::{
    causality::ReadRequirement,
    error::{Error, causes::BookmarkProblem},
    metrics::ClusterCounter,
    positions::{arrival_requirement::ArrivalRequirement, bookmark_check, wait::Look},
    route::{Decision, Forced},
    vocabulary::{Consistency, Intent, OnStale, Reason},
};

impl Request<'_> {
    pub(super) fn on_stale(&self) -> OnStale {
        self.overrides.on_stale(self.shared)
    }

    /// Whether a read of it may wait for a replica rather than go to the primary. By time alone there is nothing to wait
    /// for; and where waits have taken their part of the time, the primary's answer comes sooner.
    pub(super) fn may_wait_for_replica(&self) -> bool {
        let pays = || {
            let limit = self.overrides.stale_wait(self.shared);
            self.shared.tracker.waits.lets_wait(Instant::now(), limit)
        };
        let waits = self.unseen
            || match self.on_stale() {
                OnStale::Primary => false,
                // Its caller wants no primary.
                OnStale::Error => true,
                OnStale::Wait => pays(),
            };
        waits && self.knows_positions()
    }

    /// Whether the primary says how far it has written.
    pub(super) fn knows_positions(&self) -> bool {
        self.shared.tracker.has_positions()
    }
}

impl Attempt<'_> {
    /// A `replica()` handle would be refused for what is only not known yet, so it waits for the verdict to be the last
    /// word.
    pub(super) async fn settle_verdict(&mut self) {
        // A verdict that is not the last word: after DDL of our own the catalog is being read again. Only such a handle
        // waits for that: a plain one has the primary meanwhile.
        let (verdict, Some(sql)) = (self.classification, self.request.sql) else {
            return;
        };
        if self.request.overrides.force != Forced::Replica || verdict.intent != Intent::Primary {
            return;
        }
        let begun = Instant::now();
        let deadline = self.timing.limit(&self.request, Phase::Route);
        let shared = self.request.shared;
        let settled = {
            let classifier = self.request.overrides.classifier(shared);
            shared
                .settled_verdict(classifier, sql, verdict, deadline)
                .await
        };
        self.timing.spend(Phase::Route, begun);
        self.classification = settled;
    }

    /// Waits until one replica is known to be fresh enough, and no longer than it may.
    pub(super) async fn wait_until_fresh(&mut self) -> Result<(), Error> {
        let shared = self.request.shared;
        shared.count(ClusterCounter::StaleWait);
        let begun = Instant::now();
        // Whoever has to wait whatever comes of it says nothing of whether it pays.
        let asks = !self.request.unseen && self.request.on_stale() == OnStale::Wait;
        let in_time = self.replica_catches_up().await;
        if asks {
            let (now, most) = (Instant::now(), self.request.overrides.stale_wait(shared));
            shared.tracker.waits.end(now, most, now - begun);
        }
        self.timing.spend(Phase::Route, begun);
        self.timing.spend(Phase::Fresh, begun);
        shared.telemetry.metrics.stale_waits.record(begun.elapsed());
        if in_time {
            return Ok(());
        }
        self.freshness.waited_out = true;
        shared.count(ClusterCounter::StaleTimeout);
        match self.request.on_stale() {
            OnStale::Error => Err(Error::NotCaughtUp {
                nodes: shared.snapshot.replica_names(),
                waited: begun.elapsed(),
                limit: self.wait_limit(),
                sent: self.progress.sent,
            }),
            OnStale::Primary | OnStale::Wait => Ok(()),
        }
    }

    /// The setting that bounds a wait for a replica; nothing where the handle has a time of its own.
    fn wait_limit(&self) -> Option<Box<str>> {
        let shared = self.request.shared;
        let wait = self.request.overrides.stale_wait(shared);
        let field = match wait == shared.config.stale_wait {
            _ if wait > shared.config.route_timeout => Phase::Route.field(),
            true => Phase::Fresh.field(),
            false => return None,
        };
        Some(shared.config.setting(field).into())
    }

    /// Waits for a replica that is fresh enough; whether there was one in time.
    async fn replica_catches_up(&mut self) -> bool {
        let shared = self.request.shared;
        let fresh = self.timing.limit(&self.request, Phase::Fresh);
        let limit = fresh.min(self.timing.limit(&self.request, Phase::Route));
        let mut awaited = ArrivalRequirement::now(&shared.tracker, self.request.current.clone());
        let mut waiting = None;
        let look = || {
            self.freshness
                .renew(&self.request, |_| awaited.need(&shared.tracker));
            if !self.is_behind() {
                return Look::Met(());
            }
            if self.freshness.need != ReadRequirement::Primary {
                // Before the primary has told the position, the replicas' would say nothing.
                let lsn = self.freshness.need.lsn();
                waiting.get_or_insert_with(|| shared.tracker.demand.wait(lsn));
            }
            Look::NotYet
        };
        shared.tracker.wait_until(limit, look).await.is_some()
    }

    fn is_behind(&self) -> bool {
        let snapshot = self.request.shared.snapshot.load();
        matches!(
            self.question(&snapshot),
            Decision::Go {
                reason: Reason::NotCaughtUp,
                ..
            }
        )
    }

    /// Bookmarks that its session brought are held against the primary before the first read that has to obey them. What
    /// is not known in time sends it there, and the session's next read does not wait for it again.
    pub(super) async fn settle_bookmarks(&mut self) -> Result<(), Error> {
        let request = &self.request;
        let shared = request.shared;
        let obeys = self.classification.intent == Intent::Read
            && request.overrides.force == Forced::No
            && !matches!(request.level, Consistency::Eventual | Consistency::Strong)
            && shared.snapshot.has_replicas();
        if !obeys {
            return Ok(());
        }
        if !request.knows_positions() {
            // Nobody can tell what a bookmark stands for, but the primary has it.
            self.freshness.take_the_primary();
            return Ok(());
        }
        for session in request.current.obeyed(&shared.clock) {
            let begun = Instant::now();
            // In shadow mode nobody waits for what only a replica would have to know.
            let deadline = match session.has_waited() || shared.is_shadow() {
                true => begun,
                false => self.timing.limit(request, Phase::Fresh),
            };
            let settled = bookmark_check::settle(&shared.tracker, &session, deadline).await;
            self.timing.spend(Phase::Fresh, begun);
            match settled {
                Ok(()) => {}
                Err(_) if shared.is_shadow() => {
                    self.freshness.take_the_primary();
                    return Ok(());
                }
                Err(foreign @ BookmarkProblem::OtherCluster) => return Err(foreign.into()),
                Err(unknown) => {
                    session.mark_waited();
                    self.freshness.waited_out = true;
                    if request.on_stale() == OnStale::Error {
                        return Err(unknown.into());
                    }
                }
            }
        }
        self.freshness.need = shared.tracker.need(&request.current);
        Ok(())
    }
}
