//! Standing in line: a statement that finds no permit where it was sent takes the first one on any node that would do
//! (rule R7).
//!
//! A line is stood in for a permit, not for a connection (see [`Permit`](crate::node::Permit)). With the permit comes
//! the right to take a connection or to open one, and that goes on when the statement has gone elsewhere meanwhile:
//! what is thrown away each time would never be there for anybody.
//!
//! With its first permit a statement leaves the other lines, until its connection takes too long. Standing on in them
//! was rejected: it came to their heads as well and took a connection there for nobody, and eight replicas that were
//! full served no more than two.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use sea_orm::{ConnAcquireErr, DbErr};

use super::{
    Attempt, FinishInBackground, acquire::named, decide::Target, phase::Phase,
    unavailable::asking_why,
};
use crate::{
    causality::ReadRequirement,
    node::{FirstCome, Lease, Line, NodePool, Permit, PooledConnection, Seat},
    positions::arrival_requirement::ArrivalRequirement,
    route::{
        Forced,
        lines::{Route, lines},
    },
    signal,
    state::Ran,
    vocabulary::{Intent, Reason, Role, Stage},
};

/// What is had at the head of a line.
type Had = Result<(Permit, Option<PooledConnection>), DbErr>;

/// One of the lines that a statement stands in.
struct Spot {
    seat: Arc<Seat>,
    role: Role,
    reason: Reason,
    /// The permit is had, and the connection on its way.
    has_permit: Arc<AtomicBool>,
    work: Pin<Box<dyn Future<Output = Had> + Send>>,
}

/// All lines that a statement stands in.
struct Spots {
    spots: Vec<Spot>,
    /// Pools where the statement got nothing: there is nothing to be had before there is another pool.
    left: Vec<Arc<NodePool>>,
    /// What a read waits for, where what replicas say of themselves may open another line to it.
    awaited: Option<ArrivalRequirement>,
    /// The statement has stood for so long that those will do that it would rather not have.
    late: bool,
    /// A connection is wanted with the permit.
    connects: bool,
}

impl Spot {
    fn link(&self) -> &Arc<NodePool> {
        &self.seat.node.link
    }

    fn has_permit(&self) -> bool {
        self.has_permit.load(Ordering::Relaxed)
    }
}

impl Spots {
    fn know(&self, link: &Arc<NodePool>) -> bool {
        let links = self.spots.iter().map(Spot::link);
        links
            .chain(&self.left)
            .any(|known| Arc::ptr_eq(known, link))
    }

    /// Whether a permit is had, so that the statement stands in no other line.
    fn is_settled(&self) -> bool {
        !self.late && self.spots.iter().any(Spot::has_permit)
    }

    /// The first that has come to its end. The first that has a permit is the only one from then on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Spot, Had)> {
        for index in 0..self.spots.len() {
            if let Poll::Ready(had) = self.spots[index].work.as_mut().poll(cx) {
                return Poll::Ready((self.spots.remove(index), had));
            }
            if self.is_settled() {
                self.spots.retain(Spot::has_permit);
                break;
            }
        }
        Poll::Pending
    }
}

impl Attempt<'_> {
    /// Waits for a permit, here or elsewhere, and for a connection with it where one is wanted. The lease is then one
    /// on the node that has it.
    pub(super) async fn queue(
        &mut self,
        lease: &mut Lease,
        connects: bool,
    ) -> Result<Option<PooledConnection>, DbErr> {
        let begun = Instant::now();
        self.progress.silent = None;
        let refusals = lease.node().link.guide().map(|guide| guide.refusals());
        let had = self.stand(lease, connects).await;
        let had = had.map_err(|err| named(err, refusals.as_ref()));
        self.timing.spend(Phase::Permit, begun);
        self.acquired(lease, begun.elapsed());
        had
    }

    async fn stand(
        &mut self,
        lease: &mut Lease,
        connects: bool,
    ) -> Result<Option<PooledConnection>, DbErr> {
        let shared = self.request.shared;
        let limit = self.timing.limit(&self.request, Phase::Permit);
        let patience = Instant::now() + shared.config.replica_acquire_timeout;
        let mut changed = shared.snapshot.subscribe();
        let awaited = self
            .heeds_news()
            .then(|| ArrivalRequirement::in_passing(&shared.tracker, self.request.current.clone()));
        let permit = lease.take_permit();
        // Whoever has a permit waits for its connection, and looks elsewhere only when that takes long.
        let mut looks = permit.is_none();
        let here = Target {
            seat: lease.seat(),
            role: lease.role(),
            reason: self.progress.reason,
        };
        let mut spots = Spots {
            spots: Vec::new(),
            left: Vec::new(),
            awaited,
            late: false,
            connects,
        };
        spots.spots.push(self.spot(here, permit, connects));
        loop {
            let mut news = pin!(shared.clock.writes.news.notified());
            // From here on nothing is missed, whatever is looked at next.
            news.as_mut().enable();
            if looks {
                self.refresh(&mut spots);
            }
            if spots.spots.is_empty() {
                // There is another picture, or there will be one.
                return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
            }
            tokio::select! {
                biased;
                (spot, had) = poll_fn(|cx| spots.poll(cx)) => {
                    if let Some(end) = self.leave(spot, had, &mut spots, lease) {
                        return end;
                    }
                }
                _ = changed.changed() => {}
                () = news, if spots.awaited.is_some() => {}
                () = tokio::time::sleep_until(patience.into()), if !spots.late => spots.late = true,
                () = tokio::time::sleep_until(limit.into()) => {
                    return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
                }
            }
            looks = true;
        }
    }

    /// Leaves the line that has come to its end. With what was had there it leaves all of them; without that it stands on
    /// in the others, if there are any.
    fn leave(
        &self,
        spot: Spot,
        had: Had,
        spots: &mut Spots,
        lease: &mut Lease,
    ) -> Option<Result<Option<PooledConnection>, DbErr>> {
        let err = match had {
            Ok((permit, conn)) => {
                if !Arc::ptr_eq(spot.link(), &lease.node().link) {
                    self.count(spot.reason);
                    *lease = moved(&spot);
                }
                lease.put(Some(permit));
                return Some(Ok(conn));
            }
            Err(err) => err,
        };
        spots.left.push(Arc::clone(spot.link()));
        let lost = Lease::moved(&spot.seat, spot.role);
        if spots.spots.is_empty() {
            *lease = lost;
            return Some(Err(err));
        }
        let signal = signal::of_db_err(&err, lost.role());
        let shared = self.request.shared;
        shared.report(&lost, Stage::Acquire, signal, Ran::Nothing);
        None
    }

    /// Whether what replicas say of themselves may open another line to it.
    fn heeds_news(&self) -> bool {
        let request = &self.request;
        self.classification.intent == Intent::Read
            && request.overrides.force == Forced::No
            && (!self.freshness.is_free() || request.overrides.max_lag.is_some())
            && request.shared.snapshot.has_replicas()
    }

    /// Leaves the lines in which there is nothing for it any more, and joins those that have come to be.
    fn refresh(&mut self, spots: &mut Spots) {
        let shared = self.request.shared;
        if let Some(awaited) = &mut spots.awaited {
            self.freshness.renew(&self.request, |known| match known {
                ReadRequirement::Primary => awaited.need(&shared.tracker),
                _ => known,
            });
        }
        let snapshot = shared.snapshot.load();
        self.progress.version = snapshot.view.version;
        let request = self.route_request(&snapshot);
        let serves = |index| self.would_serve(&snapshot, index);
        // It stays where it has come far, also where it would not go now.
        let stays = lines(&request, &snapshot.view, serves, true);
        let joins = lines(&request, &snapshot.view, serves, spots.late);
        if joins.iter().any(|to| to.reason == Reason::NotCaughtUp) {
            shared.tracker.demand.wish();
        }
        let link = |to: &Route| &snapshot.member(to.index).node.link;
        spots
            .spots
            .retain(|spot| stays.iter().any(|to| Arc::ptr_eq(link(to), spot.link())));
        if spots.is_settled() {
            return;
        }
        for to in joins {
            if !spots.know(link(&to)) {
                let target = Target::of(&snapshot, to.index, to.reason);
                let spot = self.spot(target, None, spots.connects);
                spots.spots.push(spot);
            }
        }
    }

    /// A spot in the line of this node, or at its head, where it has a permit already.
    fn spot(&self, at: Target<'_>, permit: Option<Permit>, connects: bool) -> Spot {
        let (node, line) = (Arc::clone(&at.seat.node), self.line(at.reason, connects));
        let asks_each = self.freshness.asks_each_of(&self.request, at.seat, at.role);
        let shared = Arc::clone(self.request.shared);
        let has_permit = Arc::new(AtomicBool::new(permit.is_some()));
        let had = Arc::clone(&has_permit);
        let work = async move {
            let link = &node.link;
            #[cfg(feature = "otel")]
            let in_line = node.stand_in_line();
            let taking = async { Ok(node.take_permit(line).await) };
            let permit = match permit {
                Some(permit) => permit,
                None => link.while_open(taking).await?,
            };
            had.store(true, Ordering::Relaxed);
            #[cfg(feature = "otel")]
            drop(in_line);
            if !connects {
                return Ok((permit, None));
            }
            let opening = match link.while_open(node.come_first(asks_each)).await? {
                FirstCome::Idle(conn) => return Ok((permit, Some(conn))),
                FirstCome::Pool(opening) => opening,
            };
            let replayed = Arc::clone(&node.replayed);
            let (shared, asked) = (Arc::clone(&shared), Arc::clone(&node));
            let acquiring = async move {
                let taking = asked.acquire_from_pool(opening);
                (asking_why(&shared, &asked, taking).await, permit)
            };
            let acquiring = FinishInBackground::new(acquiring, move || replayed.opaque());
            let acquiring = async {
                let (conn, permit) = acquiring.await;
                Ok((permit, Some(conn?)))
            };
            link.while_open(acquiring).await
        };
        Spot {
            seat: Arc::clone(at.seat),
            role: at.role,
            reason: at.reason,
            has_permit,
            work: Box::pin(work),
        }
    }

    /// The line that such a statement stands in. `turn`: it is one statement, and keeps no connection after it. In shadow mode
    /// nothing was diverted: whatever becomes of the replicas, the application has the whole pool.
    pub(super) fn line(&self, reason: Reason, turn: bool) -> Line {
        let shared = self.request.shared;
        let diverted = reason == Reason::NoReplica && !shared.is_shadow();
        Line {
            share: diverted.then(|| Arc::clone(&shared.admission.share)),
            turn,
        }
    }
}

/// A lease on the node whose line was quicker. The statement was decided and counted once, where it first stood.
fn moved(spot: &Spot) -> Lease {
    tracing::debug!(
        target: "sealane::moved",
        node = &*spot.seat.node.name,
        role = spot.role.as_str(),
        reason = spot.reason.as_str(),
    );
    Lease::moved(&spot.seat, spot.role)
}
