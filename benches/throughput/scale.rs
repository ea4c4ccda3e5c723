//! How reads grow with replicas, where each serves a fixed number at a time.
//!
//! Each replica stands behind a forwarder that delays every packet, with two connections: it can serve no more than
//! two statements in each delay, whatever the machine's two cores could do. So eight serve eight times as much as one,
//! if the reads are spread as they should be.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sealane::RoutedConnection;
use sealane_harness::{Cluster, Forwarder};
use tokio::runtime::Runtime;

use crate::{
    Result,
    arm::Handle,
    options::Options,
    rows::{self, ROWS},
    summary::Summary,
};

const REPLICAS: [usize; 4] = [1, 2, 4, 8];
/// Connections to each replica.
const AT_ONCE: u32 = 2;
/// Tasks for each connection: nobody is ever idle for want of work.
const TASKS: usize = 3;
/// Each way.
const DELAY: Duration = Duration::from_millis(5);

pub(crate) fn measure(options: &Options, runtime: &Runtime, summary: &mut Summary) -> Result<()> {
    let most = REPLICAS.iter().copied().max().unwrap_or(1);
    let cluster = Cluster::builder().standbys(most).start()?;
    runtime.block_on(rows::fill(&cluster))?;
    let forwarders = cluster
        .standbys()
        .iter()
        .map(|node| {
            let forwarder = Forwarder::to(node.addr())?;
            forwarder.delay(DELAY);
            Ok(forwarder)
        })
        .collect::<Result<Vec<_>>>()?;
    println!("reads over replicas that serve {AT_ONCE} at a time, {DELAY:?} away");
    let mut of_one = None;
    for count in REPLICAS {
        let urls = cluster.standbys().iter().zip(&forwarders).take(count);
        let urls = urls.map(|(node, forwarder)| node.url_at(forwarder.addr(), "postgres"));
        let per_second = runtime.block_on(run(&cluster, urls.collect(), options))?;
        let one = *of_one.get_or_insert(per_second);
        let linear = per_second / one / count as f64;
        println!("  {count} replicas: {per_second:>8.0}/s, {linear:.3} of linear");
        if count == most {
            summary.scale8 = Some(linear);
        }
    }
    println!();
    Ok(())
}

async fn run(cluster: &Cluster, replicas: Vec<String>, options: &Options) -> Result<f64> {
    let tasks = replicas.len() * usize::try_from(AT_ONCE)? * TASKS;
    let name: Arc<str> = format!("bench-{:x}", fastrand::u64(..)).into();
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replicas(replicas)
        .max_connections(AT_ONCE)
        .min_connections(AT_ONCE)
        .cluster_name(name.to_string())
        .connect()
        .await?;
    let handle = Handle::Routed(db, name);
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + options.slice * 3;
    let warm = Instant::now() + options.slice;
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (handle, done) = (handle.clone(), Arc::clone(&done));
            let mut rng = fastrand::Rng::with_seed(options.seed ^ task as u64);
            tokio::spawn(async move {
                while Instant::now() < until {
                    handle.visits(rng.i64(1..=ROWS)).await?;
                    if Instant::now() > warm {
                        done.fetch_add(1, Relaxed);
                    }
                }
                Ok::<_, crate::Error>(())
            })
        })
        .collect();
    for task in running {
        task.await??;
    }
    let counted = done.load(Relaxed) as f64 / (options.slice * 2).as_secs_f64();
    handle.close().await?;
    Ok(counted)
}
