//! Lines on who takes writes, and who is kept from it.

use std::time::Duration;

use super::{Log, rounded};
use crate::{
    error::causes::{SeenNode, SeenNodes},
    signal,
    state::{Fact, NodeState, Notice, View, WalReceiver, Withheld},
    vocabulary::{FenceReason, NodeId},
};

impl Log<'_> {
    /// Another node takes the writes, after this long without one.
    fn on_new_primary(&self, node: NodeId, without: Option<Duration>) {
        let (name, timeline) = (self.name(node), self.timeline(self.state.primaryship.epoch));
        match without {
            Some(time) => tracing::warn!(
                node = name,
                recovered = true,
                "is the primary now{timeline}, after {:?} without one: writes go there",
                rounded(time)
            ),
            None => tracing::info!(node = name, "is the primary now{timeline}: writes go there"),
        }
    }

    /// Who takes writes.
    pub(super) fn on_primary(&self, notice: &Notice) {
        match notice {
            Notice::PrimaryIs { node, without } => self.on_new_primary(*node, *without),
            Notice::NoPrimary => tracing::warn!(
                "no node is known to be the primary: {}; it is looked for, and writes wait for it for {:?} \
                 (SEALANE_FAILOVER_TIMEOUT). If there is none by then they fail: promote a standby, or start the primary again",
                self.seen(),
                self.state.tuning.failover.timeout
            ),
            Notice::Conflict { node } if self.tells_writers(*node) => tracing::error!(
                node = self.name(*node),
                "this node and another one take writes, and neither has anything of what the other one has written: nothing is \
                 written until one of them is read-only; stop the wrong one, or name the right one by cluster().force_primary() \
                 in each process"
            ),
            Notice::Conflict { node } => tracing::error!(
                node = self.name(*node),
                "this node and another one take writes on the same timeline{}: nothing is written until one of them is a \
                 standby again; stop the wrong one, or name the right one by cluster().force_primary() in each process",
                self.timeline(self.state.primaryship.epoch)
            ),
            Notice::ConflictOver => tracing::warn!(
                recovered = true,
                "one node takes writes again: the conflict of primaries is over"
            ),
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
            Notice::Strays { node } => tracing::warn!(
                node = self.name(*node),
                "this name leads to the primary, and to standbys too, on which nothing can be written: let what deals its connections \
                 out look at the role, or give the primary a name of its own"
            ),
            Notice::Withheld { node, what } => self.on_withheld(*node, *what),
            _ => {}
        }
    }

    /// What the role is not told, what that costs, and what to grant.
    fn on_withheld(&self, node: NodeId, what: Withheld) {
        let member = self.nodes.member(node);
        let direct = member.and_then(|member| member.node.direct.as_deref());
        let role = direct.and_then(|direct| direct.url.user());
        let role = role.unwrap_or("this role");
        let node = self.name(node);
        match what {
            Withheld::Replication if self.state.tuning.failover.enabled => tracing::warn!(
                node,
                "`{role}` may not see whether a server is set up to replicate from another one. A promotion is followed only of a \
                 replica that this process has seen read-only, and only once the old primary is gone or read-only, or another \
                 server replicates from the new one; at the start only where both the new one has written and another server \
                 replicates from it. To mend that: GRANT REPLICA MONITOR ON *.* TO {role}"
            ),
            Withheld::Replication => {}
            Withheld::Timeline => tracing::warn!(
                node,
                "`{role}` may not see which primary a replica follows. After each promotion, replicas serve no reads but \
                 eventual ones and those of replica() handles, until the new primary and then they themselves have made a \
                 checkpoint (checkpoint_timeout); the primary serves the others. To spare that: GRANT pg_monitor TO {role}"
            ),
            Withheld::Receiver => tracing::warn!(
                node,
                "`{role}` may not see whether a replica receives, and from whom. One that does not is used until it is too far \
                 behind (SEALANE_MAX_LAG). Reads of a session that wrote go to replicas only with pg_monitor, and half a second \
                 late. After each promotion, replicas serve no reads but eventual ones and those of replica() handles, until the \
                 new primary and then they themselves have made a checkpoint (checkpoint_timeout). To mend that: \
                 GRANT EXECUTE ON FUNCTION pg_stat_get_wal_receiver() TO {role}; GRANT pg_monitor TO {role}"
            ),
            Withheld::Log => {
                let failover = match self.state.tuning.failover.enabled {
                    true => {
                        "A failover is not followed, and nothing protects from an old primary: roles stay as configured, a \
                         promoted standby gets no writes, and a primary that is back gets them whatever was promoted meanwhile. "
                    }
                    false => "",
                };
                tracing::warn!(
                    node,
                    "`{role}` may not see whose server it is and what that writes. {failover}Reads of a session that wrote stay \
                     on the primary, and SEALANE_MAX_LAG takes no replica out. To mend that: GRANT EXECUTE ON FUNCTION \
                     pg_control_system(), pg_current_wal_insert_lsn(), pg_walfile_name(pg_lsn) TO {role}"
                );
            }
        }
    }

    /// Who answers and is not used.
    pub(super) fn on_fence(&self, node: NodeId, cause: FenceReason) {
        let why = match cause {
            FenceReason::Stale => return self.on_old_primary(node),
            FenceReason::OtherCluster if self.was_primary(node) => {
                let name = self.name(node);
                return tracing::warn!(
                    node = name,
                    "fenced: its system identifier is another one than before, so its address leads to another cluster now; nothing \
                     is written and nothing read there. Correct the address; or, where that cluster takes the place of the one \
                     before, say so in each process by cluster().force_primary({name:?})"
                );
            }
            FenceReason::OtherCluster if self.tells_writers(node) => {
                "it takes writes, and has nothing of any server that wrote what the primary has, so it belongs to another cluster; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::NotInRecovery if self.tells_role(node) => {
                "it is configured as a replica, takes writes and is not set up to replicate, so it may be a primary of its own; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::Conflict if self.tells_writers(node) => {
                "it takes writes beside another node, and neither has anything of what the other one has written: make one of \
                 them read-only, or name the right one by cluster().force_primary() in each process"
            }
            FenceReason::Quarantined if self.tells_writers(node) => {
                "it seems to be promoted beside the primary, which still answers and takes writes, and nobody confirms it: make it \
                 read-only, make the primary read-only or let another server follow the new one, or name it by \
                 cluster().force_primary(). GRANT REPLICA MONITOR lets this user see whether it is set up to replicate"
            }
            FenceReason::OtherCluster | FenceReason::NotInRecovery if self.subscribes(node) => {
                "it receives rows by logical replication, so nobody can tell which of the primary's writes it has: \
                 name a physical standby, or set SEALANE_FLAVOUR=logical-subscriber for reads that may miss anything"
            }
            FenceReason::NotInRecovery => {
                "it is configured as a replica and is not in recovery, so it may be a primary of its own; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::OtherCluster => {
                "its system identifier is not the primary's, so it belongs to another cluster; \
                 check DATABASE_REPLICA_URLS"
            }
            FenceReason::OtherSystem => {
                "it says that it is another database system than the cluster's servers, or is in recovery, which no \
                 CockroachDB and no YugabyteDB ever is: leave SEALANE_FLAVOUR out, or correct its address"
            }
            FenceReason::Quarantined => {
                "it takes writes on a greater timeline than the primary, which still answers, and nobody confirms it \
                 (SEALANE_FAILOVER=confirmed): stop it, let the primary or another replica follow it, or name \
                 it by cluster().force_primary()"
            }
            FenceReason::Conflict => {
                "it takes writes on the same timeline as another node: stop one of them, or name the right one by \
                 cluster().force_primary() in each process"
            }
            FenceReason::SameServer => {
                "it is the primary under another name; list each server once"
            }
        };
        tracing::warn!(node = self.name(node), "fenced: {why}");
    }

    fn was_primary(&self, node: NodeId) -> bool {
        let last = View::new(self.state).last_primary;
        last.is_some_and(|last| *last == *self.name(node))
    }

    /// The timeline in a line, where it is known.
    fn timeline(&self, epoch: Option<u64>) -> String {
        let told = self.state.timeline(epoch);
        told.map_or_else(String::new, |epoch| format!(" (timeline {epoch})"))
    }

    /// Whether a node is told from others by who wrote what it has.
    fn tells_writers(&self, node: NodeId) -> bool {
        let known = self.state.node(node);
        known.is_some_and(|node| node.said.writers.is_some())
    }

    /// Whether a node says itself what would make it a replica.
    fn tells_role(&self, node: NodeId) -> bool {
        let known = self.state.node(node);
        known.is_some_and(|node| node.said.standing.is_some())
    }

    fn subscribes(&self, node: NodeId) -> bool {
        let known = self.state.node(node);
        known.is_some_and(|node| node.said.system.subscribes)
    }

    /// Every node as it stands now, and which was the primary last.
    fn seen(&self) -> SeenNodes {
        let view = View::new(self.state);
        let nodes = view.nodes().iter().map(|node| {
            let open = self.nodes.member(node.id).map(|member| &member.node);
            let said = open.and_then(|open| open.trouble.recent());
            let said = said.filter(|_| node.in_doubt || node.ejected);
            SeenNode::new(&node.name, node.role, node.shown())
                .fenced(node.fenced)
                .at(
                    open.map_or_else(String::new, |open| open.address()),
                    said.map(|answer| signal::said(&answer)),
                )
        });
        SeenNodes::new(view.last_primary.as_deref(), nodes.collect())
    }

    /// One that writes to what is over: what is written there will be lost.
    fn on_old_primary(&self, node: NodeId) {
        let its = self
            .state
            .node(node)
            .and_then(|node| node.said.epoch.known());
        let (name, its) = (self.name(node), self.timeline(its));
        let now = self.timeline(self.state.primaryship.seen.greatest);
        match (self.state.claimant(), self.follower()) {
            (Some(primary), _) => tracing::warn!(
                node = name,
                "fenced: it still takes writes{its}, and `{}` is the primary now{now}; what is written there will be lost: stop \
                 it and let it follow the new primary",
                self.name(primary)
            ),
            (None, Some(follower)) => tracing::warn!(
                node = name,
                "fenced: it still takes writes{its}, but `{follower}` follows a primary{now} that is no node of this cluster or \
                 does not answer; nothing is written: add that primary to the nodes or start it, or, where `{name}` is right, \
                 say so in each process by cluster().force_primary({name:?})"
            ),
            (None, None) => tracing::warn!(
                node = name,
                "fenced: it still takes writes{its}, but a primary{now} was seen that does not answer now; nothing is written: \
                 start it, or give it an address of its own among the nodes where it was met behind another's; or, where \
                 `{name}` is right, say so in each process by cluster().force_primary({name:?})"
            ),
        }
    }

    /// Who follows the primary of the greatest epoch.
    fn follower(&self) -> Option<&str> {
        let newest = self.state.primaryship.seen.greatest?;
        let follows = |node: &&NodeState| {
            node.said.in_recovery == Fact::Known(true)
                && node.said.receiver == Fact::Known(WalReceiver::Fed)
                && node.said.epoch == Fact::Known(newest)
        };
        let follower = self.state.members().find(follows)?;
        Some(&follower.spec.name)
    }
}
