//! One round: the primary ends, a standby takes over, and everybody finds together again.

use std::{
    fmt,
    time::{Duration, Instant},
};

use sealane_harness::{Cluster, Node};

use crate::{Result, client::Client, floor::Floor};

/// How the primary ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All its processes are killed.
    Kill,
    /// All its processes stand still, until the other one has taken over.
    Freeze,
}

/// What came of it, in milliseconds.
pub(crate) struct Round {
    end: End,
    /// From the end (of a freeze: from the promotion) to the first write of a raw connection to the new primary.
    pub(crate) floor: f64,
    /// The same to the first write of the client's.
    pub(crate) outage: f64,
    /// The new primary's place.
    pub(crate) primary: usize,
    errors: (u64, u64),
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Kill => "kill",
            End::Freeze => "freeze",
        };
        let (writes, reads) = self.errors;
        write!(
            f,
            "{end:<6} {:>9.1} {:>10.1}  {writes} {reads}",
            self.floor, self.outage
        )
    }
}

pub(crate) async fn run(
    cluster: &Cluster,
    client: &Client,
    primary: usize,
    end: End,
) -> Result<Round> {
    let nodes = cluster.nodes();
    let old = nodes[primary].clone();
    let standbys: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.port() != old.port())
        .collect();
    // So that nothing that was acknowledged is lost with the primary.
    old.set("synchronous_standby_names", "ANY 1 (*)")?;
    client.until_well(nodes.len()).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let floor = Floor::start(&standbys).await?;
    let before = client.errors();
    let mut begun = Instant::now();
    match end {
        End::Kill => {
            blocking({
                let old = old.clone();
                move || old.kill()
            })
            .await?
        }
        End::Freeze => old.freeze(),
    }
    let promoted = greatest(&standbys)?;
    let new = standbys[promoted].clone();
    if end == End::Freeze {
        begun = Instant::now();
    }
    let promotion = blocking({
        let new = new.clone();
        move || new.promote()
    });
    let first = floor.end(promoted);
    let wrote = client.first_write_on(&new, begun);
    let (promotion, first, wrote) = tokio::join!(promotion, first, wrote);
    promotion?;
    let (first, wrote) = (first?, wrote?);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = client.errors();
    rejoin(&old, &new, standbys[1 - promoted]).await?;
    let millis = |at: Instant| at.saturating_duration_since(begun).as_secs_f64() * 1e3;
    Ok(Round {
        end,
        floor: millis(first),
        outage: millis(wrote),
        primary: nodes
            .iter()
            .position(|node| node.port() == new.port())
            .unwrap_or_default(),
        errors: (after.0 - before.0, after.1 - before.1),
    })
}

/// The place of the standby that has received most.
fn greatest(standbys: &[&Node]) -> Result<usize> {
    let sql = "SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn";
    let mut received = Vec::new();
    for node in standbys {
        received.push(node.sql(sql)?.trim().parse::<u128>()?);
    }
    Ok(usize::from(received[1] > received[0]))
}

/// Both others follow the new primary.
async fn rejoin(old: &Node, new: &Node, other: &Node) -> Result<()> {
    let (old, new, other) = (old.clone(), new.clone(), other.clone());
    blocking(move || {
        other.repoint(&new)?;
        old.thaw();
        if !old.is_running() {
            // Recovered first: pg_rewind wants a clean end.
            old.start()?;
        }
        old.reset("synchronous_standby_names")?;
        old.rewind_to(&new)
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> sealane_harness::Result<T> + Send + 'static,
) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
