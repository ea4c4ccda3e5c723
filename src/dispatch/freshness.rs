//! What a read needs of the node that serves it: the requirement of its session, and what it must not fall behind.

use super::{monotonic_read::MonotonicRead, request::Request};
use crate::{
    causality::{Current, ReadRequirement, ServerNeed},
    cluster::shared::Shared,
    intent::Classification,
    mutants,
    node::{Lease, Node, Seat},
    route::{Forced, Fresh},
    vocabulary::{Consistency, Intent, Role},
};

/// What a read needs of its node, as far as that is known by now.
pub(super) struct Freshness {
    /// What its session wrote, as it stood when the statement arrived: later writes do not concern it (rule C5).
    pub(super) need: ReadRequirement,
    /// The reads that it must not fall behind, where its handle reads monotonically.
    monotonic: Option<MonotonicRead>,
    /// The read has waited for a replica as long as it may.
    pub(super) waited_out: bool,
}

impl Freshness {
    /// What a request needs when it arrives.
    #[inline]
    pub(super) fn at_arrival(
        shared: &Shared,
        current: &Current,
        level: Consistency,
        intent: Intent,
    ) -> Self {
        // First: what it finds told raises what the session needs.
        let monotonic = (level == Consistency::Monotonic)
            .then(|| MonotonicRead::at_arrival(current, &shared.clock));
        Self {
            need: match level {
                Consistency::Eventual => ReadRequirement::Nothing,
                // Only reads choose.
                _ if intent != Intent::Read => ReadRequirement::Nothing,
                _ => shared.tracker.need(current),
            },
            monotonic,
            waited_out: false,
        }
    }

    /// Whether every replica is as fresh as it has to be.
    pub(super) fn is_free(&self) -> bool {
        self.need == ReadRequirement::Nothing
            && self.monotonic.as_ref().is_none_or(MonotonicRead::is_free)
    }

    /// Whether the read has to see something that a replica may be known to have.
    #[inline]
    pub(super) fn is_bound(&self) -> bool {
        matches!(self.need, ReadRequirement::Position { .. })
    }

    /// Which replicas may serve it; `choosy`: for another reason than its session, not all of them.
    #[inline]
    pub(super) fn wants(&self, choosy: bool) -> Fresh {
        let monotonic = self.monotonic.as_ref();
        if self.need == ReadRequirement::Primary
            || monotonic.is_some_and(|read| read.takes_primary())
        {
            return Fresh::Primary;
        }
        match self.is_free() && !choosy {
            true => Fresh::Any,
            false => Fresh::Covering,
        }
    }

    /// Whether this node is known to be fresh enough for it.
    #[inline]
    pub(super) fn allows(
        &self,
        request: &Request<'_>,
        classification: Classification,
        node: &Node,
    ) -> bool {
        let begins = classification.begins_read_only();
        let replayed = &node.replayed;
        let monotonic = self.monotonic.as_ref();
        monotonic.is_none_or(|read| read.allows(replayed))
            && ((replayed.covers(self.need) && self.can_tell(begins, node))
                || self.may_ask_each(request, begins, node)
                || reads_unchecked(self.need))
    }

    /// Whether what is known of the node holds for the connection that it gets: a transaction begins on one that cannot
    /// be asked itself.
    fn can_tell(&self, begins: bool, node: &Node) -> bool {
        self.need == ReadRequirement::Nothing
            || !begins
            || node.link.guide().is_none_or(|guide| guide.is_hooked())
    }

    /// Whether several servers answer as this node (rule C6). A connection is asked whether its server is far enough, where
    /// that is not known, which a transaction cannot do before it has begun; one that is not costs a round trip, and the
    /// read goes to the primary. To wait for the time pin first was rejected: a process that writes now and then read on
    /// the primary alone.
    ///
    /// A node that does not tell whom it follows gets no read of a session that wrote, however long ago: it may be on
    /// another way than the primary, and then neither its position nor its lag says anything. Letting it serve after the
    /// pin was stale by as much as it was further behind than that.
    fn may_ask_each(&self, request: &Request<'_>, begins: bool, node: &Node) -> bool {
        node.replayed.is_mixed()
            && !begins
            // The next transaction on it may be on another server (I8).
            && !node.link.is_shared()
            && !request.unseen
            && self.need != ReadRequirement::Primary
    }

    /// The needs of the connection that the read gets, where that matters: several servers answer as this node, and what those to
    /// another one say does not count for it.
    #[inline]
    pub(super) fn asks_each(&self, request: &Request<'_>, lease: &Lease) -> Option<ServerNeed> {
        self.asks_each_of(request, lease.seat(), lease.role())
    }

    /// The needs of the connection that the read gets from a node where there is no lease yet.
    #[inline]
    pub(super) fn asks_each_of(
        &self,
        request: &Request<'_>,
        seat: &Seat,
        role: Role,
    ) -> Option<ServerNeed> {
        if role != Role::Replica || !seat.node.replayed.is_mixed() {
            return None;
        }
        let position = match request.overrides.force {
            Forced::Replica => ReadRequirement::Nothing,
            Forced::No | Forced::Primary => self.need,
        };
        let least = request.least_position(&seat.node);
        (position != ReadRequirement::Nothing || least.is_some())
            .then_some(ServerNeed { position, least })
    }

    /// Lets only the primary serve it from now on: rare, and the primary is sure.
    pub(super) fn take_the_primary(&mut self) {
        self.need = ReadRequirement::Primary;
    }

    /// Renews what it needs: what this tells of the requirement that it has now, after the reads that bound it were looked
    /// at again, and what those need that bind it no more.
    pub(super) fn renew(
        &mut self,
        request: &Request<'_>,
        need: impl FnOnce(ReadRequirement) -> ReadRequirement,
    ) {
        // In this order: what is found told raises what the session needs.
        let monotonic = self.monotonic.as_mut();
        let unbound = monotonic.and_then(|read| read.unbind(request));
        let need = need(self.need);
        self.need = unbound.map_or(need, |unbound| need.and(unbound));
    }

    /// The statement is about to be sent, on a connection that it holds.
    #[inline]
    pub(super) fn begin_read(&mut self, lease: &Lease) {
        if let Some(read) = &mut self.monotonic {
            read.begin(lease);
        }
    }

    /// The read returned: later reads of its session see as much.
    #[inline]
    pub(super) fn end_read(&mut self, request: &Request<'_>) {
        if let Some(read) = &mut self.monotonic {
            read.end(request);
        }
    }
}

/// The mutant that stands at the edge of the loop (see [`mutant`](super::mutant)).
pub(super) const CHECKED_INSIDE: &str = "check_inside_read";

/// Whether any node may serve a read, because it is checked afterwards: never.
#[inline(always)]
fn reads_unchecked(need: ReadRequirement) -> bool {
    mutants::lives(CHECKED_INSIDE) && need != ReadRequirement::Primary
}
