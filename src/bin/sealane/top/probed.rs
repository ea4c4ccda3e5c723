//! Looks by probes of our own: as an application meets the nodes that the environment names, with no statement of anybody's.

use std::{collections::BTreeMap, io, time::Instant};

use futures_util::FutureExt;
use sealane::{ClusterEvents, Config, NodeStatus, RoutedConnection};

use super::look::{Look, NodeLook};

/// A handle like an application's.
pub(super) struct Probed {
    db: RoutedConnection,
    events: ClusterEvents,
}

impl Probed {
    /// Connects; a primary that is down is looked at all the same.
    pub(super) async fn open(prefix: &str) -> io::Result<Self> {
        let mut config = Config::from_env_with_prefix(prefix).map_err(io::Error::other)?;
        config.start_without_primary = true;
        // Whoever watches keeps the servers awake.
        config.idle_after = None;
        let db = RoutedConnection::connect(config);
        let db = db.await.map_err(io::Error::other)?;
        let events = db.cluster().subscribe().map_err(io::Error::other)?;
        Ok(Self { db, events })
    }

    pub(super) fn look(&mut self) -> Look {
        let mut told = Vec::new();
        while let Some(Some(event)) = self.events.next().now_or_never() {
            told.push(event.to_string());
        }
        let topology = self.db.cluster().topology();
        Look {
            at: Instant::now(),
            of: "probes of its own".to_owned(),
            epoch: topology.epoch,
            asleep: topology.asleep,
            nodes: topology.nodes.iter().map(seen).collect(),
            reasons: BTreeMap::new(),
            told: Some(told),
        }
    }
}

fn seen(node: &NodeStatus) -> NodeLook {
    NodeLook {
        name: node.name.clone(),
        role: node.role.to_string(),
        answers: !node.in_doubt,
        ineligible: node.ineligible.map(|reason| reason.to_string()),
        lag: node.lag.map(|lag| lag.as_secs_f64()),
        statements: None,
        // What is on it is our own.
        in_flight: None,
        connections: None,
    }
}
