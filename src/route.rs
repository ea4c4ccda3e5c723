//! Where a statement goes: table R, as a function of the request and of one view.
//!
//! Pure, synchronous and without an allocation, so that it can stand before every statement. The order of the rows is
//! the order of the questions in [`route`]; every answer carries its reason.
//!
//! The order of calls, for whoever executes:
//!
//! 1. Load the snapshot, judge the text, fill a [`RouteRequest`]; call [`route`] with the snapshot's [`View`], a generator
//!    of the thread's own, and a function that reads a node's count of statements in flight.
//! 2. [`Decision::Go`]: take a lease on the node at that index of the snapshot, then a permit in its pool. With
//!    [`Reason::NoReplica`] that is one of the share that diverted reads have. Where none is free, ask [`lines`] who else
//!    would do, and take the first permit there is.
//! 3. [`Decision::Wait`]: wait for a snapshot with a greater version, within the deadline; forget the nodes that were
//!    tried ([`Tried::forget`]) and ask again. [`Decision::Refuse`]: an error, at once.
//! 4. A failure: read it ([`crate::signal`]), report it ([`Event::Failed`](crate::state::Event::Failed)) with the lease's
//!    id and generation, ask [`retry::verdict`]; for a retry that costs, ask the [`budget`]; then add the node to
//!    [`RouteRequest::tried`] and start over with the newest snapshot.

pub(crate) mod balance;
pub(crate) mod budget;
pub(crate) mod lines;
mod not_sent;
pub(crate) mod retry;
pub(crate) mod safety;

use std::fmt;

use fastrand::Rng;

pub use self::not_sent::NotSent;
use crate::intent::Classification;
use crate::state::{GroupOrder, Preference, Spares, View};
use crate::vocabulary::{Intent, NodeId, Reason};

/// Which role the handle insists on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Forced {
    #[default]
    No,
    Primary,
    Replica,
}

/// The nodes that a statement has failed on since the last snapshot it waited for.
///
/// By id, because indexes change with the snapshot; four of them, because a statement is sent again at most three
/// times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tried {
    nodes: [Option<NodeId>; 4],
}

impl Tried {
    /// Remembers a node. A fifth one takes the place of the fourth.
    pub(crate) fn add(&mut self, node: NodeId) {
        if !self.has(node) {
            let free = self.nodes.iter().position(Option::is_none);
            self.nodes[free.unwrap_or(self.nodes.len() - 1)] = Some(node);
        }
    }

    /// A new snapshot may have healed any of them.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    #[must_use]
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.nodes.contains(&Some(node))
    }

    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.nodes[0].is_none()
    }
}

/// Which replicas are as far as a read needs them (rules C2, C14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fresh {
    /// All replicas.
    #[default]
    Any,
    /// Replicas of which that is known.
    Covering,
    /// None.
    Primary,
}

/// One question to [`route`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteRequest<'a> {
    /// What is asked for.
    pub(crate) classification: Classification,
    pub(crate) forced: Forced,
    /// What this session wrote or saw.
    pub(crate) fresh: Fresh,
    /// The nodes that this handle would rather have; none where it says nothing.
    pub(crate) preference: Option<&'a Preference>,
    pub(crate) tried: Tried,
    /// Whom it must not crash as well (rule R5).
    pub(crate) spares: Spares,
    /// The statement was sent before. Where the primary is in doubt, a first attempt is made all the same, since there
    /// is nobody else; a retry waits for what its probe says, or a burst of retries would be over before that.
    pub(crate) retried: bool,
    /// How many wait for a node.
    pub(crate) waiting: u32,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Decision {
    /// To the node at this index of the view, and why.
    Go { index: usize, reason: Reason },
    /// Nowhere yet: a new snapshot may change it.
    Wait,
    /// Nowhere, and a new snapshot would not change it.
    Refuse(Refusal),
}

/// Why a statement is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// A `replica()` handle was given something that no replica may run.
    NotARead { reason: Reason },
    /// A `replica()` handle, and no replica is eligible.
    NoReplica,
    /// Too many statements wait for a node already: as many as this limit.
    TooManyWaiting { limit: u32 },
    /// The statement asks for the primary, and may have crashed another server.
    KeptBack,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARead { reason } => write!(
                f,
                "this handle comes from replica() and takes reads only ({reason}): use the plain handle or primary()"
            ),
            Self::NoReplica => f.write_str(
                "this handle comes from replica() and no replica is eligible: use the plain handle, which falls back \
                 to the primary",
            ),
            Self::KeptBack => f.write_str(
                "a statement of this text was the first to break when a server crashed: it is kept away from the primary",
            ),
            Self::TooManyWaiting { limit } => {
                write!(f, "no node can take the statement and {limit} wait for one already")
            }
        }
    }
}

/// Decides. `in_flight` tells how many statements run on the node at that index; it is asked for two nodes at the most.
/// `covers` tells whether that node is known to be as far as the read needs it.
pub(crate) fn route(
    request: &RouteRequest<'_>,
    view: &View,
    rng: &mut Rng,
    in_flight: impl Fn(usize) -> u32,
    covers: impl Fn(usize) -> bool,
) -> Decision {
    if view.asleep {
        // However many wait: who is there to take them is being asked.
        return Decision::Wait;
    }
    let reason = match row(request, view) {
        RouteRow::Refused(reason) => return Decision::Refuse(Refusal::NotARead { reason }),
        RouteRow::Primary(reason) => return primary(request, view, reason),
        RouteRow::ReplicasOnly => return strictly_replica(request, view, rng, in_flight),
        RouteRow::Read(reason) => reason,
    };
    if !view.replicas.members.is_empty() {
        // The primary is as far as itself, also where it takes part in reads.
        let fresh =
            |index| request.fresh == Fresh::Any || view.primary == Some(index) || covers(index);
        let groups = groups(request, view);
        if request.tried.is_empty()
            && let Some(index) = balance::pick(groups.first(), rng, &in_flight)
            && fresh(index)
            && !spared(request, view, index)
        {
            return Decision::Go { index, reason };
        }
        let choice = balance::pick_but(groups.all(), rng, in_flight, |index| {
            tried(request, view, index) || spared(request, view, index) || !fresh(index)
        });
        if let Some(index) = choice {
            return Decision::Go { index, reason };
        }
        let mut replicas = view.replicas.members.iter();
        if replicas.any(|candidate| !fresh(candidate.index)) {
            return primary(request, view, Reason::NotCaughtUp);
        }
    }
    // One that failed on every replica goes to the primary last; once it has failed there too, it waits for news.
    primary(request, view, Reason::NoReplica)
}

/// The row of table R: who may serve a request at all, before it is asked who of them is near, fresh and not busy.
enum RouteRow {
    /// Nobody: the handle insists on a replica, and this is the reason why none may.
    Refused(Reason),
    /// The primary, for this reason.
    Primary(Reason),
    /// Replicas and nobody else.
    ReplicasOnly,
    /// Replicas, for this reason; for want of one the primary.
    Read(Reason),
}

#[inline]
fn row(request: &RouteRequest<'_>, view: &View) -> RouteRow {
    let strict = request.forced == Forced::Replica;
    let Classification { intent, reason, .. } = request.classification;
    let read = match intent {
        _ if request.forced == Forced::Primary => return RouteRow::Primary(Reason::Forced),
        Intent::Read => Ok(reason),
        Intent::Session | Intent::Primary | Intent::Write => Err(reason),
    };
    match read {
        Err(reason) if strict => RouteRow::Refused(reason),
        Err(reason) => RouteRow::Primary(reason),
        Ok(_) if !view.splits && strict => RouteRow::Primary(Reason::Forced),
        Ok(_) if !view.splits => RouteRow::Primary(Reason::OnlyPrimary),
        Ok(_) if strict => RouteRow::ReplicasOnly,
        Ok(_) if request.fresh == Fresh::Primary => RouteRow::Primary(Reason::NotCaughtUp),
        Ok(reason) => RouteRow::Read(reason),
    }
}

/// Never the primary, even if it takes part in reads; what it has to see does not matter.
fn strictly_replica(
    request: &RouteRequest<'_>,
    view: &View,
    rng: &mut Rng,
    in_flight: impl Fn(usize) -> u32,
) -> Decision {
    if view.replicas.members.is_empty() {
        if view.settles_soon() {
            return wait(request, view);
        }
        return Decision::Refuse(Refusal::NoReplica);
    }
    let choice = balance::pick_but(groups(request, view).all(), rng, in_flight, |index| {
        view.primary == Some(index) || tried(request, view, index) || spared(request, view, index)
    });
    match choice {
        Some(index) => Decision::Go {
            index,
            reason: Reason::Forced,
        },
        None => wait(request, view),
    }
}

/// Whom it turns to, one group after the other, the replicas as a whole at last.
#[inline]
fn groups<'v>(request: &RouteRequest<'_>, view: &'v View) -> GroupOrder<'v> {
    view.groups.in_order(request.preference, &view.replicas)
}

fn primary(request: &RouteRequest<'_>, view: &View, reason: Reason) -> Decision {
    match view.primary {
        // For its own recovery, if it is the one that crashed, or for a replica.
        Some(index) if spared(request, view, index) => {
            let recovers = view.nodes[index].outage.is_some_and(|outage| !outage.over);
            match request.forced {
                Forced::Primary if !recovers && view.knows_a_crash() => {
                    Decision::Refuse(Refusal::KeptBack)
                }
                Forced::No | Forced::Primary | Forced::Replica => wait(request, view),
            }
        }
        Some(index) if tried(request, view, index) => wait(request, view),
        Some(index) if request.retried && view.nodes[index].in_doubt => wait(request, view),
        Some(index) => Decision::Go { index, reason },
        None => wait(request, view),
    }
}

fn wait(request: &RouteRequest<'_>, view: &View) -> Decision {
    if request.waiting >= view.waiters_limit {
        return Decision::Refuse(Refusal::TooManyWaiting {
            limit: view.waiters_limit,
        });
    }
    Decision::Wait
}

fn tried(request: &RouteRequest<'_>, view: &View, index: usize) -> bool {
    view.nodes
        .get(index)
        .is_some_and(|node| request.tried.has(node.id))
}

fn spared(request: &RouteRequest<'_>, view: &View, index: usize) -> bool {
    match request.spares {
        Spares::Nobody => false,
        Spares::Primary => view.primary == Some(index),
        Spares::Everybody => true,
    }
}
