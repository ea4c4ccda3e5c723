//! One statement's way to its end: what it needs, where it was tried, and what is held for it meanwhile.

mod acquire;
mod crash;
mod finish_in_background;
mod outcome;
mod overrides;
mod phase;
mod preview;
mod queue;
mod stale;
mod unavailable;
mod verify_position;
mod wait;

use std::{sync::Arc, time::Instant};

use sea_orm::{AccessMode, DbErr, IsolationLevel, TransactionOptions};

use self::crash::Crashes;
use self::phase::{Phase, Spent};
#[cfg(feature = "bench")]
pub(crate) use self::preview::decide_once;
pub(crate) use self::{
    finish_in_background::FinishInBackground, overrides::Overrides, preview::preview,
    unavailable::asking_why, verify_position::Reads,
};
use crate::{
    causality::{
        Current, ObservedRead, OpenWrite, ReadAffinity, ReadRequirement, Stood, gate::Writing,
    },
    cluster::shared::Shared,
    error::Error,
    intent::Summary,
    metrics::ClusterCounter,
    node::{Lease, Seat},
    route::{Ask, Decision, Forced, Fresh, Refusal, Request, Route, Tried, route},
    signal::Signal,
    snapshot::Snapshot,
    vocabulary::{Consistency, Intent, NodeId, Reason, Role},
};

/// One statement on its way to its end.
pub(crate) struct Attempt<'a> {
    shared: &'a Arc<Shared>,
    scope: &'a Overrides,
    ask: Ask,
    /// The verdict on the text, where it was judged.
    verdict: Option<Summary>,
    sql: Option<&'a str>,
    /// When the statement first had to wait or failed; what comes before that is microseconds, and the clock costs as
    /// much.
    started: Option<Instant>,
    spent: Spent,
    /// Why it goes where it goes now.
    reason: Reason,
    current: Current,
    level: Consistency,
    /// What its session wrote, as it stood when the statement arrived: later writes do not concern it (rule C5).
    need: ReadRequirement,
    /// How its session stood before that, for a transaction that goes on reading.
    stood: Stood,
    /// Where earlier reads let it go (rule C9).
    bound: ReadAffinity,
    /// What those need that bind it no more, because a position covers them now.
    unbound: Option<ReadRequirement>,
    /// Bookmarks of its session waited when it arrived, or reads.
    has_rest: bool,
    /// A connection of `concrete()` was out when the statement arrived (see there).
    unseen: bool,
    /// The read has waited for a replica as long as it may.
    waited_out: bool,
    /// The read under way, where later ones must not fall behind it.
    seen: Option<ObservedRead>,
    tried: Tried,
    retries: u8,
    /// How often the statement was sent again because what a connection had prepared was out of date.
    renewed: u8,
    /// The newest snapshot that was asked.
    version: u64,
    /// A replica refused it as a write: it runs once on the primary (rule I6).
    refused: Option<Signal>,
    write: Option<OpenWrite>,
    /// A transaction that may write, on its way.
    writing: Option<Writing>,
    last: Option<DbErr>,
    /// A node was sent it.
    sent: bool,
    /// The phase whose time was over while a connection was there and its server silent.
    silent: Option<Phase>,
    /// The primary that refused it as one that takes no writes.
    doubted: Option<NodeId>,
    /// What the statement has to do with servers that crashed.
    crashes: Crashes,
}

/// What a decision came to.
enum NextMove {
    Go(Lease),
    Wait,
    /// No replica is known to be fresh enough, and it may wait for one.
    Stale,
    /// Writes are held back.
    Paused,
    Refuse(Refusal),
}

impl<'a> Attempt<'a> {
    /// For a statement outside a transaction. `executes`: it was handed to `execute…`, which is not judged (I4).
    #[inline]
    pub(crate) fn statement(
        shared: &'a Arc<Shared>,
        scope: &'a Overrides,
        sql: &'a str,
        executes: bool,
    ) -> Self {
        let (mut intent, mut reason, mut verdict) = (Intent::Write, Reason::Execute, None);
        if !executes {
            let judged = shared.judging.classifier.verdict(sql);
            shared.count(ClusterCounter::CacheHit);
            if judged.unknown {
                shared.wish_catalog();
            }
            (intent, reason, verdict) = (judged.intent, judged.reason, Some(judged));
        }
        let ask = Ask::Statement { intent, reason };
        Self {
            sql: Some(sql),
            verdict,
            ..Self::new(shared, scope, ask)
        }
    }

    /// For a `begin`. Only what is declared read only, and is not serializable, may go to a replica: a standby refuses
    /// every statement of a serializable transaction.
    pub(crate) fn begin(
        shared: &'a Arc<Shared>,
        scope: &'a Overrides,
        options: &TransactionOptions,
    ) -> Self {
        let read_only = options.access_mode == Some(AccessMode::ReadOnly);
        let serializable = options.isolation_level == Some(IsolationLevel::Serializable);
        let ask = if read_only && !serializable {
            Ask::BeginReadOnly
        } else {
            Ask::Begin
        };
        Self::new(shared, scope, ask)
    }

    #[inline]
    fn new(shared: &'a Arc<Shared>, scope: &'a Overrides, ask: Ask) -> Self {
        let (current, level) = (scope.current(shared), scope.level(shared));
        let stood = match ask {
            Ask::BeginReadOnly => current.stands(&shared.clock),
            Ask::Begin | Ask::Statement { .. } => Stood::default(),
        };
        // Before the need is: a bookmark that another task settles meanwhile is in one of the two.
        let has_rest = current.has_rest(&shared.clock);
        // First: what it finds told raises what the session needs.
        let bound = match level {
            Consistency::Monotonic => current.bound(&shared.clock),
            _ => ReadAffinity::No,
        };
        Self {
            shared,
            scope,
            ask,
            verdict: None,
            sql: None,
            started: None,
            spent: Spent::default(),
            reason: Reason::Replica,
            need: match level {
                Consistency::Eventual => ReadRequirement::Nothing,
                // Only reads choose.
                _ if ask.intent() != Intent::Read => ReadRequirement::Nothing,
                _ => shared.tracker.need(&current),
            },
            stood,
            unbound: (!matches!(bound, ReadAffinity::No)).then_some(ReadRequirement::Nothing),
            bound,
            has_rest,
            unseen: stale::unseen(shared, &current, level, ask),
            waited_out: false,
            seen: None,
            current,
            level,
            tried: Tried::default(),
            retries: 0,
            renewed: 0,
            version: 0,
            refused: None,
            write: None,
            writing: None,
            last: None,
            sent: false,
            silent: None,
            doubted: None,
            crashes: Crashes::default(),
        }
    }

    /// A `replica()` handle would be refused for what is only not known yet: after DDL of our own the catalog is being
    /// read again. So it waits for that, and only it: a plain handle has the primary meanwhile.
    pub(crate) async fn settle_verdict(&mut self) {
        let (Some(sql), Some(verdict)) = (self.sql, self.verdict) else {
            return;
        };
        if self.scope.force != Forced::Replica || verdict.intent != Intent::Primary {
            return;
        }
        let (shared, begun) = (self.shared, Instant::now());
        let deadline = self.limit(Phase::Route);
        let verdict = shared.settled_verdict(sql, verdict, deadline).await;
        self.spend(Phase::Route, begun);
        self.ask = Ask::Statement {
            intent: verdict.intent,
            reason: verdict.reason,
        };
        self.verdict = Some(verdict);
    }

    /// A lease on the node it goes to next, waiting for one within the deadline.
    pub(crate) async fn lease(&mut self) -> Result<Lease, Error> {
        if self.has_rest {
            self.settle_bookmarks().await?;
        }
        loop {
            match self.decide() {
                NextMove::Go(lease) => return Ok(lease),
                NextMove::Wait => self.wait().await?,
                NextMove::Stale => self.wait_until_fresh().await?,
                NextMove::Paused => self.wait_for_gate().await?,
                NextMove::Refuse(refusal) => return Err(self.refused(refusal)),
            }
        }
    }

    /// Through the gate, unless writes are held back. What goes through in doubt (a read that a replica refused) is let.
    fn enter(&self) -> Option<Writing> {
        self.shared.clock.gate.enter()
    }

    /// One decision: no lock, no allocation, and no guard of the snapshot that outlives it.
    fn decide(&mut self) -> NextMove {
        let snapshot = self.shared.snapshot.load();
        self.version = snapshot.view.version;
        self.note_suspicion(&snapshot);
        let route = match self.question(&snapshot) {
            Decision::Go(route) => route,
            Decision::Wait => return NextMove::Wait,
            Decision::Refuse(refusal) => return NextMove::Refuse(refusal),
            // Never asked inside a transaction; the primary is where such a thing would belong.
            Decision::Stay(reason) => Route {
                index: snapshot.view.primary.unwrap_or(0),
                reason,
            },
        };
        if route.reason == Reason::NotCaughtUp && self.may_wait() {
            return NextMove::Stale;
        }
        self.admit(route.reason);
        self.reason = route.reason;
        if self.write.is_none() && self.writes() {
            let Some(writing) = self.enter() else {
                return NextMove::Paused;
            };
            self.write = Some(self.shared.tracker.open_write(&self.current, writing));
        }
        if self.ask == Ask::Begin && self.writing.is_none() {
            self.writing = self.enter();
            if self.writing.is_none() {
                return NextMove::Paused;
            }
        }
        let role = snapshot.view.nodes()[route.index].role;
        let seat = snapshot.member(route.index).seat();
        NextMove::Go(self.take(seat, role, route.reason))
    }

    fn question(&self, snapshot: &Snapshot) -> Decision {
        let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
        route(
            &self.request(snapshot),
            &snapshot.view,
            &mut rng,
            |index| snapshot.member(index).seat().in_flight(),
            |index| self.would_serve(snapshot, index),
        )
    }

    /// Whether what is known of this node lets it serve this read.
    #[inline]
    fn would_serve(&self, snapshot: &Snapshot, index: usize) -> bool {
        let told = !(self.is_untold(snapshot) && snapshot.view.nodes()[index].untold);
        let node = &snapshot.member(index).node;
        told && self.is_near(node, snapshot) && self.may_read(node)
    }

    fn is_untold(&self, snapshot: &Snapshot) -> bool {
        snapshot.view.any_untold && self.level != Consistency::Eventual
    }

    fn request(&self, snapshot: &Snapshot) -> Request<'a> {
        let strong = self.level == Consistency::Strong;
        let forced = match self.scope.force {
            _ if self.refused.is_some() => Forced::Primary,
            // A handle that insists on a replica says so itself.
            Forced::No if strong => Forced::Primary,
            // Nothing of it could be proved to be a read (rule R6).
            Forced::No
                if self.ask == Ask::BeginReadOnly
                    && self.shared.judging.classifier.knows_nothing() =>
            {
                Forced::Primary
            }
            insisted => insisted,
        };
        let untold = self.is_untold(snapshot);
        Request {
            ask: self.ask,
            forced,
            in_transaction: false,
            fresh: match (self.need, &self.bound) {
                (ReadRequirement::Nothing, ReadAffinity::No)
                    if !untold && self.scope.max_lag.is_none() =>
                {
                    Fresh::Any
                }
                (ReadRequirement::Primary, _) | (_, ReadAffinity::Primary) => Fresh::Primary,
                _ => Fresh::Covering,
            },
            zone: self.scope.zone.as_deref(),
            tried: self.tried,
            spares: self.spares(snapshot),
            retried: self.retries > 0,
            waiting: self.shared.admission.waiting(),
        }
    }

    /// Counts what is rare about a route.
    fn admit(&self, reason: Reason) {
        match reason {
            Reason::NoReplica => self.shared.count(ClusterCounter::Diverted),
            Reason::NotCaughtUp => {
                self.shared.count(ClusterCounter::Pinned);
                self.shared.tracker.demand.ask();
            }
            _ => {}
        }
    }

    /// A lease on this node.
    fn take(&self, seat: &Arc<Seat>, role: Role, reason: Reason) -> Lease {
        let reason = if self.refused.is_some() {
            Reason::Corrected
        } else {
            reason
        };
        let intent = self.ask.intent();
        tracing::debug!(
            target: "sealane::decision",
            node = &*seat.node.name,
            role = role.as_str(),
            intent = intent.as_str(),
            reason = reason.as_str(),
        );
        Lease::take(seat, role, intent, reason)
    }

    /// A lease on the node whose line was quicker. The statement was decided and counted once, where it first stood.
    fn moves(&self, seat: &Arc<Seat>, role: Role, reason: Reason) -> Lease {
        tracing::debug!(
            target: "sealane::moved",
            node = &*seat.node.name,
            role = role.as_str(),
            reason = reason.as_str(),
        );
        Lease::moved(seat, role)
    }

    /// Whether the statement may write.
    fn writes(&self) -> bool {
        self.ask.may_write() || self.refused.is_some()
    }
}
