//! Whether the cluster can be used now, for whoever sends an application its traffic.

use std::fmt;

use super::{Cluster, NodeStatus, Topology, shared::Shared};
use crate::vocabulary::{Consistency, HealthState, Role};

/// What the cluster can do now, and why. As text it is both: `ready: db1 takes writes, 2 of 2 other nodes serve reads`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Health {
    /// What can be done.
    pub state: HealthState,
    /// Who does it, or who does not; it names nodes, so it is for operators.
    pub reason: String,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.state, self.reason)
    }
}

impl Cluster {
    /// What the cluster can do now. Nothing is asked: it is what the next statement would meet, as the health checks
    /// (`SEALANE_CHECK_INTERVAL`) and statements have shown it. For a question to the primary there is
    /// [`ping`](crate::RoutedConnection::ping).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sealane::HealthState;
    ///
    /// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
    /// assert_eq!(db.cluster().health().state, HealthState::Ready);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn health(&self) -> Health {
        let of_nodes = self.topology().health();
        match self.shared() {
            Ok(shared) => shared.health(of_nodes),
            Err(_) => of_nodes,
        }
    }
}

impl Shared {
    /// What nodes can do comes to less where the handle is closed, or has every read on the primary.
    fn health(&self, of_nodes: Health) -> Health {
        let down = |reason: String| Health {
            state: HealthState::Down,
            reason,
        };
        if self.is_closed() {
            return down("the handle is closed".to_owned());
        }
        let config = &self.config;
        let why = match config.consistency {
            _ if self.is_shadow() => config.setting("mode"),
            Consistency::Strong => config.setting("consistency"),
            _ => return of_nodes,
        };
        match of_nodes.state {
            HealthState::ReadOnly => down(format!(
                "{}, and reads stay on the primary ({why})",
                of_nodes.reason
            )),
            HealthState::Ready | HealthState::Down => of_nodes,
        }
    }
}

impl Topology {
    /// What a cluster in this state can do.
    #[must_use]
    pub fn health(&self) -> Health {
        let said = |state, reason: String| Health { state, reason };
        if self.asleep {
            let reason = "asleep, and the next statement wakes it";
            return said(HealthState::Ready, reason.to_owned());
        }
        if self.nodes.is_empty() {
            let reason = "the handle is not connected to a database";
            return said(HealthState::Down, reason.to_owned());
        }
        let takes_writes = |node: &&NodeStatus| node.role == Role::Primary && !node.in_doubt;
        let is_replica = |node: &&NodeStatus| node.role == Role::Replica;
        let serves = |node: &&NodeStatus| node.ineligible.is_none() && !node.in_doubt;
        let serving = self.nodes.iter().filter(is_replica).filter(serves).count();
        let others = self.nodes.len() - 1;
        let reads = match others {
            0 => "there are no replicas".to_owned(),
            1 => format!("{serving} of 1 other node serves reads"),
            _ => format!("{serving} of {others} other nodes serve reads"),
        };
        match self.nodes.iter().find(takes_writes) {
            Some(primary) => said(
                HealthState::Ready,
                format!("{} takes writes, {reads}", primary.name),
            ),
            None if serving > 0 => said(
                HealthState::ReadOnly,
                format!(
                    "no node takes writes, {serving} of {} serve reads; {self}",
                    others + 1
                ),
            ),
            None => said(HealthState::Down, format!("no node serves; {self}")),
        }
    }
}
