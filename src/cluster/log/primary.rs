//! Lines on who takes writes, and who is kept from it.

use super::Log;
use crate::{
    state::Notice,
    vocabulary::{FenceReason, NodeId},
};

impl Log<'_> {
    /// Who takes writes.
    pub(super) fn on_primary(&self, notice: &Notice) {
        match notice {
            Notice::PrimaryIs { node, without } => {
                tracing::info!(node = self.name(*node), ?without, "writes go there now")
            }
            Notice::NoPrimary => tracing::warn!(
                nodes = self.state.members().count(),
                "no node is known to be the primary: writes wait for one, for SEALANE_FAILOVER_TIMEOUT"
            ),
            Notice::Conflict { node } => tracing::error!(
                node = self.name(*node),
                "several primaries in one epoch, this one among them: nothing is written until one of them follows again, \
             or cluster().force_primary() names the right one"
            ),
            Notice::ConflictOver => tracing::info!("the conflict of several primaries is over"),
            Notice::PrimaryInRecovery { node } => {
                tracing::warn!(
                    node = self.name(*node),
                    "the node configured as the primary is a standby (in recovery), so nothing is written to it: point \
                     DATABASE_URL at the primary"
                );
            }
            Notice::PrimaryRefusesWrites { node } => tracing::warn!(
                node = self.name(*node),
                "the primary refuses writes: look for default_transaction_read_only, or for a switch-over"
            ),
            Notice::Hidden { node } => {
                let member = self.nodes.member(*node);
                let direct = member.and_then(|member| member.node.direct.as_deref());
                let role = direct.and_then(|direct| direct.url.user());
                let role = role.unwrap_or("this role");
                tracing::warn!(
                    node = self.name(*node),
                    "`{role}` may not see which primary a replica follows. After each promotion, replicas serve no reads of \
                 a session that wrote until the new primary and then they themselves have made a checkpoint \
                 (checkpoint_timeout); to spare that: GRANT pg_monitor TO {role}"
                );
            }
            _ => {}
        }
    }

    /// Who answers and is not used.
    pub(super) fn on_fence(&self, node: NodeId, cause: FenceReason) {
        let why = match cause {
            FenceReason::Stale => return self.on_old_primary(node),
            FenceReason::NotInRecovery => {
                "it is configured as a replica and is not in recovery, so it may be a primary of its own; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::OtherCluster => {
                "its system identifier is not the primary's, so it belongs to another cluster; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::Quarantined => {
                "it takes writes on a greater timeline than the primary, which still answers, and nobody confirms it \
                 (SEALANE_FAILOVER=confirmed): stop it, let the primary or another replica follow it, or name \
                 it by cluster().force_primary()"
            }
            FenceReason::Conflict => {
                "it takes writes in the same epoch as another primary: stop one of them, or name the right one by \
                 cluster().force_primary() in each process"
            }
            FenceReason::SameServer => {
                "it is the primary under another name; list each server once"
            }
        };
        tracing::warn!(node = self.name(node), "fenced: {why}");
    }

    /// One that writes to what is over: what is written there will be lost.
    fn on_old_primary(&self, node: NodeId) {
        let its = self
            .state
            .node(node)
            .and_then(|node| node.said.epoch.known());
        let primary = self.state.primaryship.primary.map(|node| self.name(node));
        tracing::warn!(
            node = self.name(node),
            "fenced: it still takes writes on timeline {}, and {} is the primary of timeline {}; what is written there \
             will be lost: stop it and let it follow the new primary",
            its.unwrap_or_default(),
            primary.map_or_else(|| "another node".to_owned(), |name| format!("`{name}`")),
            self.state.primaryship.greatest.unwrap_or_default()
        );
    }
}
