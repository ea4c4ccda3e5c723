//! Waiting for the topology: for a primary, for a replica, for a verdict on a node that refused.

use std::time::Instant;

use sea_orm::DbErr;

use super::{Attempt, phase::Phase, unavailable::Obstacle};
use crate::{
    causality::ReadRequirement, error::Error, metrics::ClusterCounter,
    positions::sampling_demand::Demanding, route::Forced, signal, vocabulary::Intent,
};

impl<'a> Attempt<'a> {
    /// A node that refuses writes although it is the primary, by a probe begun after that, means what it says: a setting
    /// of the server, a role or a transaction (T8). The error goes to the caller at once.
    pub(super) async fn check_primary(&mut self) -> Result<(), DbErr> {
        let Some(to_probe) = self.progress.to_probe.take() else {
            return Ok(());
        };
        let shared = self.request.shared;
        shared.check(to_probe).await;
        let primary = shared.snapshot.primary_node().map(|node| node.id);
        match self.progress.last.take() {
            Some(err) if primary == Some(to_probe) => {
                shared.count(ClusterCounter::PrimaryRefusesWrites);
                Err(err)
            }
            last => {
                self.progress.last = last;
                Ok(())
            }
        }
    }

    /// Waits until writes are let through again.
    pub(super) async fn wait_for_gate(&mut self) -> Result<(), Error> {
        let shared = self.request.shared;
        let begun = Instant::now();
        let deadline = self.timing.limit(&self.request, Phase::Pause);
        let open = shared.clock.gate.until_open();
        let opened = tokio::time::timeout_at(deadline.into(), open).await;
        self.timing.spend(Phase::Pause, begun);
        match opened {
            Ok(()) => Ok(()),
            Err(_) => {
                let detail = "writes are paused for a planned change of the primary";
                Err(self.at_no_node(Obstacle::late(Phase::Pause, detail.to_owned())))
            }
        }
    }

    /// Waits for a newer snapshot than the one that was asked.
    ///
    /// A read that no replica is fresh enough for goes on as well when a replica says how far it has come: without a
    /// primary there is nobody else (R2). `waiting`: that it wants to know, until a node serves it.
    pub(super) async fn wait(&mut self, waiting: &mut Option<Demanding<'a>>) -> Result<(), Error> {
        let shared = self.request.shared;
        let _waiting = shared.wait();
        let mut changed = shared.snapshot.subscribe();
        let version = self.progress.version;
        // What only the primary may run waits for that one; a read for whoever comes.
        let phase = match self.classification.intent {
            Intent::Read => Phase::Route,
            Intent::Session | Intent::Primary | Intent::Write => Phase::Primary,
        };
        let sleeps_for_good = || shared.is_closed() && shared.snapshot.is_asleep();
        if sleeps_for_good() {
            let detail = "the handle was closed while its cluster slept";
            return Err(self.at_no_node(Obstacle::of_ours(detail.to_owned())));
        }
        let (begun, deadline) = (Instant::now(), self.timing.limit(&self.request, phase));
        let news = shared.clock.writes.news.notified();
        let needs = self.freshness.need != ReadRequirement::Nothing;
        // A read that insists on the primary needs no replica to have anything.
        let chooses = self.request.overrides.force != Forced::Primary;
        let stale = needs && chooses && self.classification.intent == Intent::Read;
        if stale && waiting.is_none() {
            // What its session needs: that a server behind a node's name turned out to lack it says nothing of later.
            let need = shared.tracker.need(&self.request.current);
            let known = need != ReadRequirement::Primary;
            *waiting = known.then(|| shared.tracker.demand.wait(need.lsn()));
        }
        let newer = async {
            tokio::select! {
                _ = changed.wait_for(|now| *now > version || sleeps_for_good()) => true,
                () = news, if stale => false,
            }
        };
        let waited = tokio::time::timeout_at(deadline.into(), newer).await;
        self.timing.spend(phase, begun);
        match waited {
            Ok(true) => {
                self.progress.tried.forget();
                self.progress.far_looks = 0;
                Ok(())
            }
            Ok(false) => {
                self.freshness.need = shared.tracker.need(&self.request.current);
                Ok(())
            }
            Err(_) => Err(match self.progress.crashes.spared {
                Some(_) => self.kept_back(),
                None if stale => Error::NotCaughtUp {
                    nodes: shared.snapshot.replica_names(),
                    waited: self.timing.waited(),
                    limit: Some(self.limit_of(phase)),
                    sent: self.progress.sent,
                },
                None => self.gave_up(phase),
            }),
        }
    }

    fn gave_up(&mut self, phase: Phase) -> Error {
        // What ended another attempt from our side, or a time-out of ours, says nothing of the node.
        let says = |err: &DbErr| {
            !matches!(err, DbErr::ConnectionAcquire(_)) && Error::from_db_err(err).is_none()
        };
        let last = self.progress.last.take().filter(says);
        self.at_no_node(match last {
            Some(err) => Obstacle::late(phase, signal::told(&err)).by(err),
            None => Obstacle::late(phase, String::new()),
        })
    }
}
