//! The cluster as an error tells of it.

use sea_orm::DbErr;

use super::{Cluster, Topology, shared::Shared};
use crate::error::{Error, Report, ReportedNode};

impl Shared {
    /// The cluster as it stands now.
    pub(crate) fn state_report(&self) -> Report {
        let (topology, now) = (Topology::of(self), self.now());
        let snapshot = self.snapshot.load();
        let seen = snapshot.describe().nodes.into_iter();
        let nodes = seen.map(|seen| {
            // By name: a snapshot may have come in between the two.
            let status = topology.nodes.iter().find(|node| node.name == seen.name);
            let seen = ReportedNode::new(seen);
            match status {
                None => seen,
                Some(status) => ReportedNode {
                    epoch: status.epoch,
                    lag: status.lag,
                    in_doubt: status.in_doubt,
                    in_flight: status.in_flight,
                    ..seen
                },
            }
        });
        let view = &snapshot.view;
        let primary = view.primary.map(|index| &view.nodes()[index].name);
        let since = view.none_since.filter(|_| view.primary.is_none());
        Report {
            version: view.version,
            epoch: view.epoch,
            primary: primary.map(ToString::to_string),
            without_primary: since.map(|since| now.0.saturating_sub(since.0)),
            last_switch: self.telemetry.last_switched.seen_at(now),
            ..Report::default()
        }
        .with_nodes(nodes)
    }

    /// Gives an error of ours that leaves the crate the cluster's state with it; what a server or the driver said passes as it
    /// is.
    #[cold]
    pub(crate) fn add_report(&self, err: &DbErr) {
        Error::add_report(err, || self.state_report());
    }
}

impl Cluster {
    /// The cluster as it stands now, in the words of [`Error::report`]: for errors that come from somewhere else.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let db = sealane::RoutedConnection::builder().primary("sqlite::memory:").connect().await?;
    /// let report = db.cluster().report();
    /// assert_eq!(report.to_string(), "memory takes the writes; memory is primary, 0 in flight");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn report(&self) -> Report {
        let shared = self.shared();
        shared.map_or_else(|_| Report::default(), |shared| shared.state_report())
    }
}
