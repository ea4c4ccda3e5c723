//! A name that is the primary and leads to other servers too gives the role to another name of the same server (T4).

use super::claimant::same_server;
use crate::state::step::Step;
use crate::state::{NodeState, Notice, State};
use crate::vocabulary::NodeId;

/// The other name of the owner's server, where the owner's leads to others as well: half of what is opened there is refused, and
/// a health check that meets one of them sees no primary.
pub(super) fn relief(state: &State, equal: &[NodeId]) -> Option<NodeId> {
    let owner = state.node(state.primaryship.owner?)?;
    let mut others = equal.iter().filter_map(|id| state.node(*id));
    let leads_there_alone =
        |node: &&NodeState| node.id != owner.id && !node.fencing.strays && same_server(owner, node);
    let other = others
        .find(leads_there_alone)
        .filter(|_| owner.fencing.strays);
    other.map(|node| node.id)
}

impl Step<'_> {
    /// A name that is the primary has other servers behind it as well.
    pub(in crate::state) fn strays(&mut self, id: NodeId) {
        if let Some(node) = self.node_mut(id).filter(|node| !node.fencing.strays) {
            node.fencing.strays = true;
            self.out.notice(Notice::Strays { node: id });
            self.ask_everyone();
        }
    }
}
