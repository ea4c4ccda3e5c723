//! Waiting until what was written has been replayed elsewhere (rule C13).

use std::time::{Duration, Instant};

use crate::{
    cluster::shared::Shared, connection::RoutedConnection, error::Error, position::Position,
    positions::wait::Look, vocabulary::Role,
};

/// A limit beyond this is none: no moment that far ahead can be told.
const LONGEST: Duration = Duration::from_hours(24 * 365);

impl RoutedConnection {
    /// Waits until so many replicas are known to have replayed what the current session wrote.
    ///
    /// It is a write concern after the fact: the write is done and stays done, whatever this returns. It counts
    /// different servers, in the incarnation they are in now, so two names of one server are one.
    ///
    /// Behind a name with several servers (a balancer) each of them counts that is known to have it, and one is enough for one
    /// replica: what is waited for are copies of the write, and the session's reads are held to its position at every
    /// server in any case. Nobody knows how many servers there are, so you cannot ask for more replicas than names are
    /// configured, nor wait until all of a name's servers have it; give each an address of its own for that. With
    /// `synchronous_commit = remote_apply` and `synchronous_standby_names` the server itself does not answer COMMIT
    /// before its standbys have replayed it; that holds every writer up, this only who asks. Neither undoes a write
    /// that did not get there.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn f(db: sealane::RoutedConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// let session = db.session();
    /// // … write …
    /// session.wait_for_replicas(1, Duration::from_millis(200)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooFewReplicas`] at once; [`Error::NotReplicated`], which says how many and which ones, when the time
    /// is over; [`Error::PositionLost`] when the primary changed meanwhile; [`Error::NoPosition`] where none can be had;
    /// and those of [`bookmark`](Self::bookmark). None of them is a reason to write again.
    pub async fn wait_for_replicas(&self, wanted: usize, limit: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        let deadline = begun + limit.min(LONGEST);
        let shared = self.shared()?;
        // While it sleeps nobody knows who the replicas are; one that does not wake in time is found out by the position.
        let _ = tokio::time::timeout(limit, shared.until_awake()).await;
        let configured = replicas(shared).len();
        if wanted > configured {
            return Err(Error::TooFewReplicas { wanted, configured });
        }
        let position = match tokio::time::timeout_at(deadline.into(), self.position(shared)).await {
            Ok(position) => position?,
            Err(_) => {
                return Err(Error::NotReplicated {
                    wanted,
                    reached: 0,
                    nodes: None,
                    waited: begun.elapsed(),
                });
            }
        };
        let Some(position) = position else {
            return Ok(());
        };
        // What is waited for comes only while the cluster is awake (T17).
        let _waits = shared.tracker.demand.wait(position.lsn.0);
        let mut there = Vec::new();
        let look = || {
            let epoch = match epoch_of(shared, position) {
                Ok(epoch) => epoch,
                Err(lost) => return Look::Met(Err(lost)),
            };
            there = reached(shared, epoch, position.lsn.0, begun);
            if there.len() >= wanted {
                return Look::Met(Ok(()));
            }
            Look::NotYet
        };
        let replicated = shared.tracker.wait_until(deadline, look).await;
        replicated.unwrap_or_else(|| {
            Err(Error::NotReplicated {
                wanted,
                reached: there.len(),
                nodes: Some(there),
                waited: begun.elapsed(),
            })
        })
    }
}

/// The position's epoch as the clock counts it, while it is the current one.
fn epoch_of(shared: &Shared, position: Position) -> Result<u64, Error> {
    let clock = &shared.clock;
    let epoch = clock.writes.epoch();
    match clock.writes.epoch_of(epoch) {
        Some(current) if current == position.epoch => Ok(epoch),
        _ => Err(Error::PositionLost),
    }
}

fn replicas(shared: &Shared) -> Vec<String> {
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter();
    let replicas = nodes.filter(|node| node.role != Role::Primary);
    replicas.map(|node| node.name.to_string()).collect()
}

/// The replicas that have come so far, each server once and by the name of its node.
///
/// To count a node of several servers when all of them have it was rejected: nobody knows whether there is one more. So was
/// to count whoever shows the position: a standby of another history may, and has nothing of it.
fn reached(shared: &Shared, epoch: u64, lsn: u64, since: Instant) -> Vec<String> {
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.nodes();
    let mut servers = Vec::new();
    let mut names = Vec::new();
    for node in nodes.filter(|node| node.seen.role == Role::Replica && node.seen.is_copy) {
        for server in node.member.node.replayed.servers_having(epoch, lsn, since) {
            if !servers.contains(&server) {
                servers.push(server);
                names.push(node.seen.name.to_string());
            }
        }
    }
    names
}
