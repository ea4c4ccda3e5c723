//! The immutable picture of all nodes that one decision reads: what the reducer made of them, paired with their pools.
//!
//! Built by the worker only and swapped in whole, so a decision never sees half a change.

mod published;

use std::sync::Arc;

use sea_orm::DbErr;

use crate::{
    error::causes::{SeenNode, SeenNodes},
    metrics::{NodeMetrics, shard, shards},
    node::{Node, PoolSize, Seat},
    signal,
    state::{View, ViewNode},
};

pub(crate) use self::published::Published;

/// The immutable picture of all nodes that one decision reads.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) view: View,
    /// In the order of the view's nodes.
    members: Box<[Arc<Member>]>,
    /// In the same order, the pool that a node has for its other role, if it has one.
    beside: Box<[Option<Arc<Node>>]>,
}

/// A node with a seat for every thread.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) node: Arc<Node>,
    pub(crate) metrics: Arc<NodeMetrics>,
    seats: Box<[Arc<Seat>]>,
}

impl Member {
    pub(crate) fn new(node: Arc<Node>, metrics: Arc<NodeMetrics>) -> Self {
        let seat = |_| Arc::new(Seat::new(Arc::clone(&node), Arc::clone(&metrics)));
        let seats = (0..shards()).map(seat).collect();
        Self {
            node,
            metrics,
            seats,
        }
    }

    /// The calling thread's seat.
    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seats[shard()]
    }

    /// Every thread's seat.
    pub(crate) fn seats(&self) -> &[Arc<Seat>] {
        &self.seats
    }

    /// Ends what runs on this node, on every thread (rule T7).
    pub(crate) fn cut(&self) {
        self.seats.iter().for_each(|seat| seat.cut());
    }
}

impl Snapshot {
    pub(crate) fn new(view: View, members: Box<[Arc<Member>]>) -> Self {
        debug_assert_eq!(
            view.nodes().len(),
            members.len(),
            "one member for each node of the view"
        );
        let beside = members.iter().map(|_| None).collect();
        Self {
            view,
            members,
            beside,
        }
    }

    /// With the pools of the other roles.
    pub(crate) fn beside(self, beside: Box<[Option<Arc<Node>>]>) -> Self {
        Self { beside, ..self }
    }

    /// Size, idle and greatest size of all pools of a node.
    pub(crate) fn pool_size(&self, index: usize) -> PoolSize {
        let other = self.beside.get(index).and_then(Option::as_ref);
        let pools = [Some(&self.members[index].node), other];
        let mut all = PoolSize::default();
        for pool in pools
            .into_iter()
            .flatten()
            .filter_map(|node| node.link.pool_size())
        {
            all.size += pool.size;
            all.idle += pool.idle;
            all.max += pool.max;
        }
        all
    }

    pub(crate) fn member(&self, index: usize) -> &Arc<Member> {
        &self.members[index]
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The primary; none while the node configured as one is not to be used as one.
    pub(crate) fn primary(&self) -> Option<&Arc<Member>> {
        self.view.primary.and_then(|index| self.members.get(index))
    }

    /// What this node said last, where it is in doubt for it.
    pub(crate) fn said_last(&self, index: usize) -> Option<DbErr> {
        said_last(&self.view.nodes()[index], &self.members[index])
    }

    /// Every node and its state, for errors; of one in doubt also what it said last. Where there is no primary, also which
    /// the last was.
    pub(crate) fn describe(&self) -> SeenNodes {
        let nodes = self.view.nodes().iter().zip(&self.members);
        let seen = nodes.map(|(node, member)| {
            let said = said_last(node, member).map(|answer| signal::said(&answer));
            SeenNode::new(&node.name, node.role, node.ineligible).at(member.node.place(), said)
        });
        let lost = self.view.last_primary.as_deref();
        let lost = lost.filter(|_| self.view.primary.is_none());
        SeenNodes::new(lost, seen.collect())
    }
}

/// A check may have failed once, up to a minute ago, and have been fine since: then it is no reason for anything now.
fn said_last(node: &ViewNode, member: &Member) -> Option<DbErr> {
    let answer = member.node.trouble.recent();
    answer.filter(|_| node.in_doubt || node.ejected)
}
