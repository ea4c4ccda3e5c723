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
    sides: Box<[Sides]>,
}

/// The pools of one node.
#[derive(Debug)]
pub(crate) struct Sides {
    /// The pool of its present role.
    pub(crate) member: Arc<Member>,
    /// The pool of its other role, if it has one.
    pub(crate) other_role: Option<Arc<Node>>,
}

/// One node of a snapshot: what the reducer made of it, and its pools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SnapshotNode<'s> {
    pub(crate) seen: &'s ViewNode,
    pub(crate) member: &'s Arc<Member>,
    other_role: Option<&'s Arc<Node>>,
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

impl SnapshotNode<'_> {
    /// Size, idle and greatest size of all pools of the node.
    pub(crate) fn pool_size(&self) -> PoolSize {
        let pools = [Some(&self.member.node), self.other_role];
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

    /// The node has a pool for its other role too.
    pub(crate) fn has_other_role(&self) -> bool {
        self.other_role.is_some()
    }

    /// What this node said last, where it is in doubt for it. A check may have failed once, up to a minute ago, and have
    /// been fine since: then it is no reason for anything now.
    pub(crate) fn said_last(&self) -> Option<DbErr> {
        let answer = self.member.node.trouble.recent();
        answer.filter(|_| self.seen.in_doubt || self.seen.ejected)
    }
}

impl Snapshot {
    pub(crate) fn new(view: View, sides: Box<[Sides]>) -> Self {
        debug_assert_eq!(
            view.nodes().len(),
            sides.len(),
            "pools for each node of the view"
        );
        Self { view, sides }
    }

    /// Every node, in the order that indexes mean.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = SnapshotNode<'_>> {
        let nodes = self.view.nodes().iter().zip(&self.sides);
        nodes.map(|(seen, sides)| SnapshotNode {
            seen,
            member: &sides.member,
            other_role: sides.other_role.as_ref(),
        })
    }

    /// The pool of the node at this index, for one decision.
    #[inline]
    pub(crate) fn member(&self, index: usize) -> &Arc<Member> {
        &self.sides[index].member
    }

    /// The primary; none while the node configured as one is not to be used as one.
    pub(crate) fn primary(&self) -> Option<&Arc<Member>> {
        Some(&self.sides.get(self.view.primary?)?.member)
    }

    /// What the node at this index said last, where it is in doubt for it.
    pub(crate) fn said_last(&self, index: usize) -> Option<DbErr> {
        self.nodes().nth(index)?.said_last()
    }

    /// Every node and its state, for errors; of one in doubt also what it said last. Where there is no primary, also which
    /// the last was.
    pub(crate) fn describe(&self) -> SeenNodes {
        let seen = self.nodes().map(|node| {
            let said = node.said_last().map(|answer| signal::said(&answer));
            let (address, node) = (node.member.node.address(), node.seen);
            SeenNode::new(&node.name, node.role, node.shown())
                .fenced(node.fenced)
                .at(address, said)
        });
        let lost = self.view.last_primary.as_deref();
        let lost = lost.filter(|_| self.view.primary.is_none());
        SeenNodes::new(lost, seen.collect())
    }
}
