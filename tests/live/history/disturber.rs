//! Stops and resumes replay, delays it, makes WAL, lets standbys crash and come back behind what they had served, and
//! lets their names change places.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use sea_orm::ConnectionTrait;
use sealane::RoutedConnection;
use sealane_harness::{Cluster, Forwarder, Node};
use tokio::task::JoinHandle;

use super::Names;

#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    pauses: u64,
    delays: u64,
    crashes: u64,
    swaps: u64,
    bulk: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pauses,
            delays,
            crashes,
            swaps,
            bulk,
        } = self;
        write!(
            f,
            "{pauses} pauses of replay, {delays} delays, {crashes} crashes, {swaps} swaps of names, {bulk} bulk loads"
        )
    }
}

pub struct Disturber {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Done>,
    bulk: JoinHandle<u64>,
}

impl Disturber {
    pub fn start(cluster: &Cluster, names: &Names, db: &RoutedConnection, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let nodes: Vec<Node> = cluster.standbys().to_vec();
        let task = tokio::spawn(disturb(
            nodes,
            Arc::clone(&names.wires),
            Arc::clone(&stop),
            Rng::with_seed(seed),
        ));
        let bulk = tokio::spawn(load(db.untracked(), Arc::clone(&stop)));
        Self { stop, task, bulk }
    }

    /// Ends it and makes the cluster whole again.
    pub async fn end(self, cluster: &Cluster) -> Done {
        self.stop.store(true, Relaxed);
        let mut done = self.task.await.unwrap();
        done.bulk = self.bulk.await.unwrap();
        for standby in cluster.standbys() {
            // It may be in the middle of a crash.
            let whole = || {
                standby.start()?;
                standby.resume_replay()?;
                standby.apply_delay(Duration::ZERO)
            };
            crate::faults::eventually("whole again", async || whole().is_ok()).await;
        }
        done
    }
}

async fn disturb(
    nodes: Vec<Node>,
    wires: Arc<[Forwarder]>,
    stop: Arc<AtomicBool>,
    mut rng: Rng,
) -> Done {
    let mut swapped = false;
    let mut done = Done::default();
    while !stop.load(Relaxed) {
        let node = nodes[rng.usize(..nodes.len())].clone();
        let what = rng.u32(..100);
        let delay = Duration::from_millis(rng.u64(0..60));
        match what {
            0..40 => done.pauses += 1,
            40..55 => done.delays += 1,
            55..60 => done.crashes += 1,
            60..65 => {
                done.swaps += 1;
                swapped = !swapped;
                for (wire, node) in (0..).zip(&nodes) {
                    wires[(wire + usize::from(swapped)) % nodes.len()].redirect(node.addr());
                }
                // The connections that are open stay where they are, or are opened again.
                if rng.bool() {
                    wires.iter().for_each(Forwarder::disconnect);
                }
            }
            _ => {}
        }
        let pause = Duration::from_millis(rng.u64(1..40));
        // The harness waits for its servers, which must not stop the runtime. A server that is just crashing refuses.
        let work = move || {
            let _ = match what {
                0..40 => {
                    let paused = node.pause_replay();
                    std::thread::sleep(pause);
                    paused.and_then(|()| node.resume_replay())
                }
                40..55 => node.apply_delay(delay),
                55..60 => node.crash(),
                _ => {
                    std::thread::sleep(pause);
                    Ok(())
                }
            };
        };
        tokio::task::spawn_blocking(work).await.unwrap();
    }
    done
}

/// After so many bursts they are thrown away: the servers' folders may be in memory, and a long run made some 5 GB of each.
const KEPT: u64 = 100;

/// Something to replay, in bursts that nobody reads.
async fn load(db: RoutedConnection, stop: Arc<AtomicBool>) -> u64 {
    let mut loads = 0;
    let bulk = "INSERT INTO bulk SELECT repeat('x', 200) FROM generate_series(1, 2000)";
    while !stop.load(Relaxed) {
        let text = match loads % KEPT {
            0 => "TRUNCATE bulk",
            _ => bulk,
        };
        loads += u64::from(db.execute_unprepared(text).await.is_ok());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    loads
}
