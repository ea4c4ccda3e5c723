//! What each node tells those who look after it, asked when they look.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;

use super::Cluster;
use crate::{
    backend::details::{self, ServerDetails},
    error::Error,
    node::Node,
    signal::{self, Signal},
    vocabulary::{NodeId, Role},
};

/// What one node told when it was asked, for `sealane doctor` and pages like it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NodeInspection {
    /// The node's ordinal, as in [`NodeStatus::id`](crate::NodeStatus::id).
    pub id: NodeId,
    /// The node's name.
    pub name: String,
    /// What the server tells; `None` where no connection was had, or where the application made the connection.
    pub details: Option<ServerDetails>,
    /// Why there are no details, and what to do.
    pub error: Option<String>,
    /// How many connections the pools of this process may open there.
    pub may_open: u32,
}

impl Cluster {
    /// Asks every node what it is, on a connection of its own pool, opened as one for a statement is: what fails here would
    /// fail for a statement. All at once, and none for longer than `SEALANE_CONNECT_TIMEOUT`.
    ///
    /// For people and checks: it takes a connection of each pool for four to six round trips. A cluster that
    /// [sleeps](crate::Config::idle_after) is not woken, and a node that is fenced off not asked: their
    /// [`NodeInspection::error`] says so. What the cluster knows without asking is in [`topology`](Self::topology).
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
    /// let nodes = db.cluster().inspect().await?;
    /// let details = nodes[0].details.as_ref().expect("an open file");
    /// assert!(details.version.is_some());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`Error::Disconnected`] of a handle that was never connected. A node that gives no connection is no error: its
    /// [`NodeInspection::error`] says why.
    pub async fn inspect(&self) -> Result<Vec<NodeInspection>, Error> {
        let shared = self.shared()?;
        let snapshot = shared.snapshot.load_full();
        let limit = shared.config.connect_timeout;
        let asked = snapshot.nodes().map(|node| {
            // Of the other role's pool there is one, for the moment of a promotion.
            let of_role = node.member.node.link.pool_size();
            let may_open = of_role.map_or(0, |pool| pool.max + u32::from(node.has_other_role()));
            let unasked = match node.seen.role {
                _ if snapshot.view.asleep => {
                    Some("not asked, since the cluster sleeps; the next statement wakes it")
                }
                // It is not to be used, and its pool lets nobody in.
                Role::Fenced => Some("not asked, since it is fenced"),
                Role::Primary | Role::Replica | Role::Unknown => None,
            };
            async move {
                let pool = &node.member.node;
                let asked = match unasked {
                    Some(why) => Err(why.to_owned()),
                    None => ask(pool, limit).await,
                };
                told(pool, asked, may_open)
            }
            .boxed()
        });
        Ok(join_all(asked).await)
    }
}

async fn ask(node: &Node, limit: Duration) -> Result<ServerDetails, String> {
    let begun = Instant::now();
    let asked = timeout(limit, details::ask(&node.link)).await;
    // What a server answered says more than that a pool had no connection, and more than a silence.
    let answered = node.trouble.why(begun);
    let recent = || node.trouble.recent();
    match asked {
        Ok(Ok(details)) => Ok(details),
        Ok(Err(err)) => {
            let why = match signal::of_db_err(&err, Role::Unknown) {
                Signal::AcquireTimeout | Signal::PoolClosed => answered.or_else(recent),
                // That is the answer.
                _ => None,
            };
            Err(signal::told(&why.unwrap_or(err)))
        }
        Err(_) => {
            let why = answered.or_else(recent);
            Err(why.map_or_else(|| not_in_time(limit), |err| signal::told(&err)))
        }
    }
}

fn told(node: &Node, asked: Result<ServerDetails, String>, may_open: u32) -> NodeInspection {
    let (details, error) = match asked {
        Ok(details) => (Some(details), None),
        Err(error) => (None, Some(error)),
    };
    NodeInspection {
        id: node.id,
        name: node.name.to_string(),
        details: details.filter(|details| details.version.is_some()),
        error,
        may_open,
    }
}

fn not_in_time(limit: Duration) -> String {
    format!(
        "no answer within {limit:?} (SEALANE_CONNECT_TIMEOUT); look whether the server runs, whether its address is right, and \
         whether all connections that this process may have there are in use"
    )
}
