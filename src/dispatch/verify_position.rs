//! A connection proves itself before it is used (rules C4, C6).
//!
//! A pool of ours asks each connection as it is opened, whoever opens it. Where the caller's own closure may hold the
//! pool's one slot for that, whoever takes a connection that may be new asks it: opening one takes more than one poll, so
//! one that was there at the first is old. Without that, tasks that take turns on a full pool would each pay a round
//! trip for every statement.
//!
//! Where several servers answer under one name, a position that was told before proves something only for connections to
//! the server that told it. One whose server is not known to be far enough is asked how far that is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DatabaseTransaction, DbErr};

use super::{Attempt, phase::Phase};
use crate::{
    causality::{
        Another, Current, Promise, ReplayReport, Replayed, ServerNeed, ServerPositions, ServerWord,
        Stood, Upstream, gate::Writing,
    },
    node::{Lease, PooledConnection, local::LocalSettings},
    route::Forced,
    vocabulary::{Consistency, Intent, Role},
};

/// A server that lacks for so long what the primary has written is one that lags behind the others of its name: where one of these
/// is known to have what is needed, and where none is.
const FAR_BEHIND: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A server that lacks for less than this what the primary has written is one that has it in a moment.
const JUST_NOW: Duration = Duration::from_millis(5);

/// How often such a one is asked again.
const LOOKS: usize = 2;

/// What a connection was asked for, and what its server said.
struct AskedServer {
    need: ServerNeed,
    answer: Option<ReplayReport>,
}

/// What the reads of a transaction obey.
pub(crate) struct Reads {
    pub(crate) current: Current,
    pub(crate) level: Consistency,
    /// How the session stood before the transaction began.
    pub(crate) stood: Stood,
    /// Settings that are set in it.
    pub(crate) local: Option<Arc<LocalSettings>>,
}

/// A read goes to the server of this connection. It is the last one there, where others run beside it and another server of the
/// name gets none: the next connection that is opened may lead there. Reads that run one at a time have enough of one server.
fn make_way(lease: &Lease, conn: &mut PooledConnection, need: ServerNeed) {
    let (node, led_to) = (lease.node(), conn.led_to());
    let pause = led_to.and_then(|led_to| node.replayed.note_read(led_to, need));
    let parts = |pause| lease.metrics().in_flight() > 1 && node.replayed.may_part(pause);
    if pause.is_some_and(parts) {
        conn.give_way();
    }
}

/// A connection on its way to its proof; dropped on the way, it is thrown away, so that nobody finds it in the pool.
struct Unproven(Option<PooledConnection>);

impl Drop for Unproven {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            conn.discard();
        }
    }
}

/// A transaction that begins, on a connection that may be new and cannot be asked itself. When this is dropped, what
/// was known of the node before counts no more, unless the node was asked since. Drop it before the connection can be
/// found in the pool; one that could not begin goes back there by way of a round trip.
pub(crate) struct Unasked {
    replayed: Option<Arc<Replayed>>,
    opened: Option<Instant>,
}

impl Unasked {
    /// The transaction has begun, so its connection was open by now.
    pub(crate) fn mark_begun(&mut self) {
        self.opened = Some(Instant::now());
    }
}

impl Drop for Unasked {
    fn drop(&mut self) {
        if let Some(replayed) = &self.replayed {
            replayed.forget_unless_asked_since(self.opened.unwrap_or_else(Instant::now));
        }
    }
}

impl Attempt<'_> {
    /// Lets a connection say what is not known of it yet.
    pub(super) async fn prove(
        &mut self,
        lease: &Lease,
        mut conn: PooledConnection,
    ) -> Result<PooledConnection, DbErr> {
        let asks_each = self.freshness.asks_each(&self.request, lease);
        if let Some(need) = asks_each
            && self.is_known_to_cover(lease, &conn)
        {
            make_way(lease, &mut conn, need);
            return Ok(conn);
        }
        let guide = lease.node().link.guide();
        if asks_each.is_none() && guide.is_none_or(|guide| guide.is_hooked()) {
            return Ok(conn);
        }
        let mut unproven = Unproven(Some(conn));
        let begun = Instant::now();
        let limit = self.timing.limit(&self.request, Phase::Route).into();
        let asking = async {
            let Some(conn) = &mut unproven.0 else {
                return Ok(None);
            };
            conn.greet(guide).await?;
            match asks_each {
                Some(_) => self.position_of(lease, conn).await,
                None => Ok(None),
            }
        };
        let asked = lease.guard(tokio::time::timeout_at(limit, asking));
        let asked = asked.await;
        self.timing.spend(Phase::Route, begun);
        let answer = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                self.progress.silent = Some(Phase::Route);
                Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
            }
            Err(cut) => Err(cut.into_db(crate::error::DbErrKind::Conn)),
        };
        let replay = answer?;
        if let (Some(need), Some(conn)) = (asks_each, &mut unproven.0) {
            self.judge_server(
                lease,
                conn,
                AskedServer {
                    need,
                    answer: replay,
                },
            );
        }
        unproven
            .0
            .take()
            .ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// Sends the read elsewhere where the server of this connection, which has answered this, does not meet its needs.
    fn judge_server(&mut self, lease: &Lease, conn: &mut PooledConnection, asked: AskedServer) {
        let AskedServer { need, answer } = asked;
        let replayed = Arc::clone(&lease.node().replayed);
        if self.is_known_to_cover(lease, conn) || (need.is_of_age() && answer.is_none()) {
            make_way(lease, conn, need);
            return;
        }
        let too_far = need.least > answer.as_ref().and_then(|report| report.lsn);
        let (astray, another) = replayed.with_servers(|servers| {
            let astray = conn
                .led_to()
                .is_some_and(|led_to| servers.is_astray(led_to));
            (astray, servers.another(need, Instant::now()))
        });
        let known = another != Another::None;
        if need.is_of_age() && self.request.overrides.force == Forced::Replica {
            self.progress.far = true;
            // It has no other place to go to than the next connection, which is opened in vain where nobody is near enough.
            self.progress.lags = known || replayed.may_part(another.part_every());
            return;
        }
        // Another connection may lead to another server; the primary is sure.
        self.freshness.take_the_primary();
        let lags = astray || too_far || self.is_far_behind(answer.as_ref(), known);
        self.progress.lags = lags && replayed.may_part(another.part_every());
    }

    /// How far the connection's server has come. One that lacks what was written just now is asked again: most have
    /// replayed it by then, and the primary is spared a read.
    async fn position_of(
        &self,
        lease: &Lease,
        conn: &mut PooledConnection,
    ) -> Result<Option<ReplayReport>, DbErr> {
        let mut replay = self.ask_position(lease, conn).await?;
        for _ in 0..LOOKS {
            if self.is_known_to_cover(lease, conn)
                || !self.lacks_for_less_than(JUST_NOW, replay.as_ref())
            {
                break;
            }
            replay = self.ask_position(lease, conn).await?;
        }
        Ok(replay)
    }

    /// Asks it once; what it says proves something for the other connections to its server, too.
    async fn ask_position(
        &self,
        lease: &Lease,
        conn: &mut PooledConnection,
    ) -> Result<Option<ReplayReport>, DbErr> {
        let Some(mut report) = conn.position().await? else {
            return Ok(None);
        };
        let replayed = &lease.node().replayed;
        let alone = report.source == Upstream::Nobody(None) && report.lsn.is_some();
        if alone && replayed.asks_timeline((&report).into()) {
            report = conn.with_timeline(report).await?;
        }
        let (epoch, lsn) = self.request.shared.clock.writes.observe(&report);
        let word = ServerWord {
            source: report.source,
            epoch,
            lsn,
        };
        if replayed.note_server((&report).into(), word) {
            self.request.shared.clock.writes.captures().ask();
        }
        Ok(Some(report))
    }

    /// Whether the connection's server is known to be far enough, without a question.
    fn is_known_to_cover(&self, lease: &Lease, conn: &PooledConnection) -> bool {
        let Some(need) = self.freshness.asks_each(&self.request, lease) else {
            return true;
        };
        let (led_to, now) = (conn.led_to(), Instant::now());
        let suits = |servers: &ServerPositions| servers.suits(led_to, need, now);
        lease.node().replayed.with_servers(suits) == Promise::Covers
    }

    /// A report in the words of the cluster's clock; nothing where it proves nothing.
    fn told(&self, report: &ReplayReport) -> Option<(u64, u64)> {
        let (epoch, lsn) = self.request.shared.clock.writes.observe(report);
        epoch.zip(lsn)
    }

    /// Whether the server that says this lacks what the primary had written a while ago, and not only a moment. `another`: one
    /// is known that has what is needed.
    fn is_far_behind(&self, replay: Option<&ReplayReport>, another: bool) -> bool {
        let limit = if another { FAR_BEHIND.0 } else { FAR_BEHIND.1 };
        let lacks = self.lacks_since(replay);
        lacks.is_some_and(|since| since.elapsed() > limit)
    }

    fn lacks_for_less_than(&self, limit: Duration, replay: Option<&ReplayReport>) -> bool {
        let lacks = self.lacks_since(replay);
        lacks.is_some_and(|since| since.elapsed() < limit)
    }

    /// When the first of what it lacks was written; nothing where that is not known, or it lacks nothing.
    fn lacks_since(&self, replay: Option<&ReplayReport>) -> Option<Instant> {
        let writes = &self.request.shared.clock.writes;
        let told = replay.and_then(|report| self.told(report));
        told.and_then(|told| writes.uncovered(told.0, told.1))
    }

    /// For a transaction that is about to begin there.
    pub(crate) fn unasked(&self, lease: &Lease) -> Unasked {
        let node = lease.node();
        let hooked = node.link.guide().is_some_and(|guide| guide.is_hooked());
        let gives = lease.role() == Role::Replica
            && self.request.shared.tracker.gives_position(node)
            && !hooked;
        Unasked {
            replayed: gives.then(|| Arc::clone(&node.replayed)),
            opened: None,
        }
    }

    /// Where a pool could not ask its connection, the transaction that may write is asked: a name may have moved. One that
    /// leads elsewhere cannot be taken out of the pool from here, so the whole pool is opened anew.
    pub(crate) async fn greet_begun(
        &self,
        lease: &Lease,
        begun: &DatabaseTransaction,
    ) -> Result<(), DbErr> {
        #[cfg(feature = "postgres")]
        if let Some(guide) = lease.node().link.guide() {
            let asks = crate::node::greet::ask_begun;
            if lease.role() == Role::Primary && (!guide.is_hooked() || guide.is_shared()) {
                let hello = asks(guide, begun).await?;
                guide
                    .admit(&hello)
                    .map_err(|stranger| guide.abandon(stranger))?;
            }
            if self.binds(lease) && guide.is_shared() {
                // It keeps its server from here on. At REPEATABLE READ it has its snapshot with that, which is later than
                // what it was routed by; another server than the first makes the node's position count no more.
                let hello = asks(guide, begun).await?;
                let closed = |_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
                guide.meet(&hello).map_err(closed)?;
            }
        }
        let _ = (lease, begun);
        Ok(())
    }

    /// Whether the one of several servers on which a transaction has begun is no further behind than `SEALANE_MAX_LAG`. Where it
    /// is, the primary is sure.
    pub(crate) async fn is_begun_near(
        &mut self,
        lease: &Lease,
        begun: &DatabaseTransaction,
    ) -> Result<bool, DbErr> {
        #[cfg(feature = "postgres")]
        if let Some(guide) = lease.node().link.guide()
            && let Some(need) = self.freshness.asks_each(&self.request, lease)
            && let Some(least) = need.least
        {
            let hello = crate::node::greet::ask_begun(guide, begun).await?;
            let lsn = hello.replay.and_then(|told| told.lsn);
            if lsn.is_some_and(|lsn| lsn < least) {
                if self.request.overrides.force == Forced::Replica {
                    return self.looks_on().map(|()| false);
                }
                self.freshness.take_the_primary();
                return Ok(false);
            }
        }
        let _ = (lease, begun);
        Ok(true)
    }

    /// Whether the request needs a server that is known: a write, or a read that has to see what its session saw.
    pub(crate) fn needs_known_server(&self) -> bool {
        let free = self.freshness.is_free() || self.request.overrides.force == Forced::Replica;
        self.classification.intent != Intent::Read || !free
    }

    /// Whether what reads there has to be as new as what its session saw.
    pub(crate) fn binds(&self, lease: &Lease) -> bool {
        lease.role() == Role::Replica
            && self.request.overrides.force != Forced::Replica
            && !self.freshness.is_free()
    }

    /// Whether the node of a transaction that has begun is as far as it has to be; asks where that is not known. The
    /// transaction's connection cannot be asked: at REPEATABLE READ the question would take the snapshot, before the
    /// answer. So the node is asked on another one, after this one was open: a server that began a new incarnation in
    /// between has ended this one with it.
    pub(crate) async fn prove_begun(&mut self, lease: &Lease) -> bool {
        let (node, shared) = (lease.node(), self.request.shared);
        if !self.binds(lease) || !shared.tracker.gives_position(node) {
            return true;
        }
        if node.link.guide().is_some_and(|guide| guide.is_hooked()) {
            // Its connection was asked when it was opened.
            return !self.reroute_if_stale(lease);
        }
        let opened = Instant::now();
        let mut news = node.replayed.news();
        shared.tracker.demand.ask();
        let asked = news.wait_for(|told| told.is_some_and(|told| told.begun > opened));
        let limit = self.timing.limit(&self.request, Phase::Fresh);
        let asked = tokio::time::timeout_at(limit.into(), asked).await;
        self.timing.spend(Phase::Fresh, opened);
        // Without an answer it is not known to be fresh.
        let answered = matches!(asked, Ok(Ok(_)));
        if !answered {
            self.freshness.take_the_primary();
        }
        !self.reroute_if_stale(lease)
    }

    /// What the transaction holds that this became: what its reads obey, and its passage through the gate.
    pub(crate) fn hand_over(&mut self) -> (Reads, Option<Writing>) {
        // A handle that insists on a replica takes what it has.
        let level = match self.request.overrides.force {
            Forced::Replica => Consistency::Eventual,
            Forced::No | Forced::Primary => self.request.level,
        };
        let reads = Reads {
            current: self.request.current.clone(),
            level,
            stood: self.request.stood,
            local: self.local().cloned(),
        };
        (reads, self.guards.writing.take())
    }
}
