//! What a read needs of the node that serves it: the requirement of its session, and what it must not fall behind.

use std::sync::Arc;

use super::{mutant, request::Request};
use crate::{
    causality::{Current, ObservedRead, ReadAffinity, ReadRequirement},
    cluster::shared::Shared,
    node::{Lease, Node},
    route::{Ask, Forced, Fresh},
    vocabulary::{Consistency, Intent, Role},
};

/// What a read needs of its node, as far as that is known by now.
pub(super) struct Freshness {
    /// What its session wrote, as it stood when the statement arrived: later writes do not concern it (rule C5).
    pub(super) need: ReadRequirement,
    /// Where earlier reads let it go (rule C9).
    pub(super) bound: ReadAffinity,
    /// What those need that bind it no more, because a position covers them now.
    unbound: Option<ReadRequirement>,
    /// The read has waited for a replica as long as it may.
    pub(super) waited_out: bool,
    /// The read under way, where later ones must not fall behind it.
    seen: Option<ObservedRead>,
}

impl Freshness {
    /// What a request needs when it arrives.
    #[inline]
    pub(super) fn at_arrival(
        shared: &Shared,
        current: &Current,
        level: Consistency,
        ask: Ask,
    ) -> Self {
        // First: what it finds told raises what the session needs.
        let bound = match level {
            Consistency::Monotonic => current.bound(&shared.clock),
            _ => ReadAffinity::No,
        };
        Self {
            need: match level {
                Consistency::Eventual => ReadRequirement::Nothing,
                // Only reads choose.
                _ if ask.intent() != Intent::Read => ReadRequirement::Nothing,
                _ => shared.tracker.need(current),
            },
            unbound: (!matches!(bound, ReadAffinity::No)).then_some(ReadRequirement::Nothing),
            bound,
            waited_out: false,
            seen: None,
        }
    }

    /// Whether every replica is as fresh as it has to be.
    pub(super) fn is_free(&self) -> bool {
        self.need == ReadRequirement::Nothing && matches!(self.bound, ReadAffinity::No)
    }

    /// Which replicas may serve it; `choosy`: for another reason than its session, not all of them.
    #[inline]
    pub(super) fn wants(&self, choosy: bool) -> Fresh {
        match (self.need, &self.bound) {
            (ReadRequirement::Nothing, ReadAffinity::No) if !choosy => Fresh::Any,
            (ReadRequirement::Primary, _) | (_, ReadAffinity::Primary) => Fresh::Primary,
            _ => Fresh::Covering,
        }
    }

    /// Whether this node is known to be fresh enough for it.
    #[inline]
    pub(super) fn allows(&self, request: &Request<'_>, ask: Ask, node: &Node) -> bool {
        let replayed = &node.replayed;
        let bound = match &self.bound {
            ReadAffinity::No => true,
            ReadAffinity::To(only) => Arc::ptr_eq(only, replayed),
            ReadAffinity::Primary => false,
        };
        bound
            && ((replayed.covers(self.need) && self.can_tell(ask, node))
                || self.may_ask_each(request, ask, node)
                || mutant::reads_unchecked(self.need))
    }

    /// Whether what is known of the node holds for the connection that it gets: a transaction begins on one that cannot
    /// be asked itself.
    fn can_tell(&self, ask: Ask, node: &Node) -> bool {
        self.need == ReadRequirement::Nothing
            || ask != Ask::BeginReadOnly
            || node.link.guide().is_none_or(|guide| guide.is_hooked())
    }

    /// Whether several servers answer as this node, and the time pin is over (rule C6). Each connection is asked besides
    /// whether its server is far enough, which a transaction cannot do before it has begun; the pin only keeps reads
    /// from asking in vain.
    ///
    /// A node that does not tell whom it follows gets no read of a session that wrote, however long ago: it may be on
    /// another way than the primary, and then neither its position nor its lag says anything. Letting it serve after the
    /// pin was stale by as much as it was further behind than that.
    fn may_ask_each(&self, request: &Request<'_>, ask: Ask, node: &Node) -> bool {
        node.replayed.is_mixed()
            && ask != Ask::BeginReadOnly
            && !request.unseen
            && self.need != ReadRequirement::Primary
            && request.current.pinned_need(&request.shared.clock) == ReadRequirement::Nothing
    }

    /// Whether the connection itself has to be asked before this read, because no other's word counts for it.
    #[inline]
    pub(super) fn asks_each(&self, request: &Request<'_>, lease: &Lease) -> bool {
        lease.role() == Role::Replica
            && self.need != ReadRequirement::Nothing
            && request.scope.force != Forced::Replica
            && lease.node().replayed.is_mixed()
    }

    /// Lets only the primary serve it from now on: rare, and the primary is sure.
    pub(super) fn take_the_primary(&mut self) {
        self.need = ReadRequirement::Primary;
    }

    /// Looks again at the reads that bound it when it arrived. One for which a position or a tick stands by now binds no more,
    /// and that is needed from then on: whoever takes over the one takes over the other, or a read is held by neither.
    /// Reads that returned after its arrival do not concern it, so what binds nothing is never bound.
    fn unbind(&mut self, request: &Request<'_>) {
        let (clock, current) = (&request.shared.clock, &request.current);
        let Some(unbound) = &mut self.unbound else {
            return;
        };
        if !matches!(self.bound, ReadAffinity::No) {
            self.bound = current.bound(clock);
        }
        // Anew each time: what takes the primary now is covered by a position in a moment.
        *unbound = current.seen_need(clock);
    }

    /// Renews what it needs: what this tells of the requirement that it has now, after the reads that bound it were looked
    /// at again, and what those need that bind it no more.
    pub(super) fn renew(
        &mut self,
        request: &Request<'_>,
        need: impl FnOnce(ReadRequirement) -> ReadRequirement,
    ) {
        // In this order: what is found told raises what the session needs.
        self.unbind(request);
        let need = need(self.need);
        self.need = self.unbound.map_or(need, |unbound| need.and(unbound));
    }

    /// The statement is about to be sent, on a connection that it holds.
    #[inline]
    pub(super) fn begin_read(&mut self, request: &Request<'_>, lease: &Lease) {
        let counts = request.level == Consistency::Monotonic && lease.role() == Role::Replica;
        self.seen = counts.then(|| ObservedRead::begin(&lease.node().replayed));
    }

    /// The read returned: later reads of its session see as much.
    #[inline]
    pub(super) fn end_read(&mut self, request: &Request<'_>) {
        if request.level == Consistency::Monotonic {
            request.current.saw(&request.shared.clock, self.seen.take());
        }
    }
}
