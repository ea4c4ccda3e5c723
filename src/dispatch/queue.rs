//! Standing in line: a statement that finds no place where it was sent takes the first one on any node that would do
//! (rule R7).
//!
//! A line is stood in for a place, not for a connection (see [`Places`](crate::node::Places)). With the place comes the
//! right to take a connection or to open one, and that goes on when the statement has gone elsewhere meanwhile: what is
//! thrown away each time would never be there for anybody.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use sea_orm::{ConnAcquireErr, DbErr};

use super::{Attempt, FinishInBackground, acquire::named, phase::Phase, unavailable::asking_why};
use crate::{
    causality::{ReadAffinity, ReadRequirement},
    node::{Lease, Line, NodePool, Place, PooledConnection, Seat},
    positions::pinned_requirement::PinnedRequirement,
    route::{Forced, Route, lines::lines},
    signal,
    state::Ran,
    vocabulary::{Intent, Reason, Role, Stage},
};

/// What is had at the head of a line.
type Had = Result<(Place, Option<PooledConnection>), DbErr>;

/// One of the lines that a statement stands in.
struct Spot {
    seat: Arc<Seat>,
    role: Role,
    reason: Reason,
    work: Pin<Box<dyn Future<Output = Had> + Send>>,
}

/// All lines that a statement stands in.
#[derive(Default)]
struct Spots {
    spots: Vec<Spot>,
    /// Pools where the statement got nothing: there is nothing to be had before there is another pool.
    left: Vec<Arc<NodePool>>,
}

impl Spot {
    fn link(&self) -> &Arc<NodePool> {
        &self.seat.node.link
    }
}

impl Spots {
    fn know(&self, link: &Arc<NodePool>) -> bool {
        let links = self.spots.iter().map(Spot::link);
        links
            .chain(&self.left)
            .any(|known| Arc::ptr_eq(known, link))
    }

    /// The first that has come to its end.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Spot, Had)> {
        for place in 0..self.spots.len() {
            if let Poll::Ready(had) = self.spots[place].work.as_mut().poll(cx) {
                return Poll::Ready((self.spots.remove(place), had));
            }
        }
        Poll::Pending
    }
}

impl Attempt<'_> {
    /// Waits for a place, here or elsewhere, and for a connection with it where one is wanted. The lease is then one on
    /// the node that has it.
    pub(super) async fn queue(
        &mut self,
        lease: &mut Lease,
        connects: bool,
    ) -> Result<Option<PooledConnection>, DbErr> {
        let begun = Instant::now();
        self.silent = None;
        let refusals = lease.node().link.guide().map(|guide| guide.refusals());
        let had = self.stand(lease, connects).await;
        let had = had.map_err(|err| named(err, refusals.as_ref()));
        self.spend(Phase::Place, begun);
        lease.metrics().acquired(begun.elapsed());
        had
    }

    async fn stand(
        &mut self,
        lease: &mut Lease,
        connects: bool,
    ) -> Result<Option<PooledConnection>, DbErr> {
        let shared = self.shared;
        let limit = self.limit(Phase::Place);
        let patience = Instant::now() + shared.config.replica_acquire_timeout;
        let mut changed = shared.snapshot.subscribe();
        let mut awaited = self
            .heeds_news()
            .then(|| PinnedRequirement::now(&shared.tracker, self.current.clone()));
        // Whoever has a place waits for its connection, and looks elsewhere only when that takes long.
        let place = lease.take_place();
        let (mut looks, mut late) = (place.is_none(), false);
        let here = (lease.role(), self.reason);
        let mut spots = Spots::default();
        spots
            .spots
            .push(self.spot((lease.seat(), here), place, connects));
        loop {
            let mut news = pin!(shared.clock.news.notified());
            // From here on nothing is missed, whatever is looked at next.
            news.as_mut().enable();
            if looks {
                self.look(&mut spots, awaited.as_mut(), late, connects);
            }
            if spots.spots.is_empty() {
                // There is another picture, or there will be one.
                return Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed));
            }
            tokio::select! {
                biased;
                (spot, had) = poll_fn(|cx| spots.poll(cx)) => match had {
                    Ok((place, conn)) => {
                        if !Arc::ptr_eq(spot.link(), &lease.node().link) {
                            self.admit(spot.reason);
                            *lease = self.moves(&spot.seat, spot.role, spot.reason);
                        }
                        lease.put(Some(place));
                        return Ok(conn);
                    }
                    Err(err) => {
                        spots.left.push(Arc::clone(spot.link()));
                        let lost = Lease::moved(&spot.seat, spot.role);
                        if spots.spots.is_empty() {
                            *lease = lost;
                            return Err(err);
                        }
                        let signal = signal::of_db_err(&err, lost.role());
                        shared.report(&lost, Stage::Acquire, signal, Ran::Nothing);
                        looks = true;
                    }
                },
                _ = changed.changed() => looks = true,
                () = news, if awaited.is_some() => looks = true,
                () = tokio::time::sleep_until(patience.into()), if !late => (looks, late) = (true, true),
                () = tokio::time::sleep_until(limit.into()) => {
                    return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
                }
            }
        }
    }

    /// Whether what replicas say of themselves may open another line to it.
    fn heeds_news(&self) -> bool {
        let bound =
            self.need != ReadRequirement::Nothing || !matches!(self.bound, ReadAffinity::No);
        self.ask.intent() == Intent::Read
            && self.scope.force == Forced::No
            && (bound || self.scope.max_lag.is_some())
            && self.shared.snapshot.has_replicas()
    }

    /// Leaves the lines in which there is nothing for it any more, and joins those that have come to be.
    fn look(
        &mut self,
        spots: &mut Spots,
        awaited: Option<&mut PinnedRequirement>,
        late: bool,
        connects: bool,
    ) {
        if let Some(awaited) = awaited {
            self.unbind();
            let pinned = match self.need {
                ReadRequirement::Primary => awaited.need(&self.shared.tracker),
                known => known,
            };
            self.need = self.with_unbound(pinned);
        }
        let snapshot = self.shared.snapshot.load();
        self.version = snapshot.view.version;
        let request = self.request(&snapshot);
        let serves = |index| self.would_serve(&snapshot, index);
        // It stays where it has come far, also where it would not go now.
        let stays = lines(&request, &snapshot.view, serves, true);
        let joins = lines(&request, &snapshot.view, serves, late);
        if joins.iter().any(|to| to.reason == Reason::NotCaughtUp) {
            self.shared.tracker.demand.ask();
        }
        let link = |to: &Route| &snapshot.member(to.index).node.link;
        spots
            .spots
            .retain(|spot| stays.iter().any(|to| Arc::ptr_eq(link(to), spot.link())));
        for to in &joins {
            if !spots.know(link(to)) {
                let seat = snapshot.member(to.index).seat();
                let role = snapshot.view.nodes()[to.index].role;
                let spot = self.spot((seat, (role, to.reason)), None, connects);
                spots.spots.push(spot);
            }
        }
    }

    /// A spot in the line of this node, or at its head, where it has a place already.
    fn spot(
        &self,
        (seat, (role, reason)): (&Arc<Seat>, (Role, Reason)),
        place: Option<Place>,
        connects: bool,
    ) -> Spot {
        let (node, line) = (Arc::clone(&seat.node), self.line(reason));
        let shared = Arc::clone(self.shared);
        let work = async move {
            let link = &node.link;
            let taking = async { Ok(node.places.clone().take(line).await) };
            let place = match place {
                Some(place) => place,
                None => link.while_open(taking).await?,
            };
            if !connects {
                return Ok((place, None));
            }
            let pool = Arc::clone(link);
            let replayed = Arc::clone(&node.replayed);
            let (shared, asked) = (Arc::clone(&shared), Arc::clone(&node));
            let acquiring =
                async move { (asking_why(&shared, &asked, pool.acquire()).await, place) };
            let acquiring = FinishInBackground::new(acquiring, move || replayed.opaque());
            let acquiring = async {
                let (conn, place) = acquiring.await;
                Ok((place, Some(conn?)))
            };
            link.while_open(acquiring).await
        };
        Spot {
            seat: Arc::clone(seat),
            role,
            reason,
            work: Box::pin(work),
        }
    }

    /// The line that such a statement stands in.
    pub(super) fn line(&self, reason: Reason) -> Line {
        match reason {
            Reason::NoReplica => self.shared.admission.share.clone(),
            _ => Line::Own,
        }
    }
}
