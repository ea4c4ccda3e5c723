//! A primary dies, and what the application saw of it.
//!
//! `cargo run --example failover` starts a real cluster of three PostgreSQL servers, keeps writing and reading, kills the
//! primary, promotes a standby, and lets the old one come back. Each line is a tenth of a second: how many writes and
//! reads were answered, how many failed, and how many waited.
#![expect(clippy::print_stdout, reason = "this example is for reading")]

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Statement};
use sealane::{ClusterEvent, RoutedConnection};
use sealane_harness::{Cluster, Node};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What has happened since the last line.
#[derive(Default)]
struct Seen {
    writes: AtomicU64,
    reads: AtomicU64,
    errors: AtomicU64,
    waiting: AtomicU64,
    /// Of whoever stages the play, and of the cluster.
    words: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Seen {
    fn say(&self, words: impl Into<String>) {
        let mut all = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(words.into());
    }

    fn line(&self, since: Instant) {
        let words = std::mem::take(&mut *self.words.lock().unwrap_or_else(PoisonError::into_inner));
        let (writes, reads) = (self.writes.swap(0, Relaxed), self.reads.swap(0, Relaxed));
        let bar = |count: u64, sign: &str| sign.repeat(usize::try_from(count).unwrap_or(0).min(30));
        println!(
            "{:5.1} s  {writes:>3} writes {:<22} {:>4} reads  {:>2} errors  {:>3} waiting  {}",
            since.elapsed().as_secs_f64(),
            bar(writes, "▪"),
            reads,
            self.errors.swap(0, Relaxed),
            self.waiting.load(Relaxed),
            words.join("; ")
        );
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    println!("starting a primary and two standbys …");
    let cluster =
        tokio::task::spawn_blocking(|| Cluster::builder().standbys(2).own_identity().start());
    let cluster = cluster.await??;
    let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
    let db = RoutedConnection::builder()
        .primary(named(cluster.primary()))
        .replicas(cluster.standbys().iter().map(named))
        .connect()
        .await?;
    db.execute_unprepared("CREATE TABLE visit (n bigint)")
        .await?;
    // So that nothing that was acknowledged is lost with the primary.
    cluster
        .primary()
        .set("synchronous_standby_names", "ANY 1 (*)")?;

    let seen = Arc::new(Seen::default());
    let begun = Instant::now();
    work(&db, &seen);
    listen(&db, &seen)?;
    let drawing = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            while !seen.over.load(Relaxed) {
                ticks.tick().await;
                seen.line(begun);
            }
        }
    });
    let staged = tokio::task::spawn_blocking({
        let (seen, nodes) = (Arc::clone(&seen), cluster.nodes().to_vec());
        move || stage(&nodes, &seen)
    });
    staged.await??;
    seen.over.store(true, Relaxed);
    drawing.await?;
    println!("{}", db.cluster().topology());
    Ok(())
}

/// A write every 5 ms, whether or not the last one has ended, and four readers.
fn work(db: &RoutedConnection, seen: &Arc<Seen>) {
    let (writer, noted) = (db.clone(), Arc::clone(seen));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !noted.over.load(Relaxed) {
            ticks.tick().await;
            let (db, seen) = (writer.clone(), Arc::clone(&noted));
            tokio::spawn(async move {
                seen.waiting.fetch_add(1, Relaxed);
                match db.execute_unprepared("INSERT INTO visit VALUES (1)").await {
                    Ok(_) => drop(seen.writes.fetch_add(1, Relaxed)),
                    Err(err) => {
                        seen.errors.fetch_add(1, Relaxed);
                        let outcome =
                            sealane::Error::from_db_err(&err).map(sealane::Error::outcome);
                        seen.say(format!("a write failed, outcome {outcome:?}"));
                    }
                }
                seen.waiting.fetch_sub(1, Relaxed);
            });
        }
    });
    for _ in 0..4 {
        let (db, seen) = (db.clone(), Arc::clone(seen));
        tokio::spawn(async move {
            while !seen.over.load(Relaxed) {
                let stmt =
                    Statement::from_string(db.get_database_backend(), "SELECT count(*) FROM visit");
                match db.query_one_raw(stmt).await {
                    Ok(_) => drop(seen.reads.fetch_add(1, Relaxed)),
                    Err(_) => drop(seen.errors.fetch_add(1, Relaxed)),
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
}

/// What the cluster has to say goes into the lines.
fn listen(db: &RoutedConnection, seen: &Arc<Seen>) -> Result<(), Error> {
    let (mut events, seen) = (db.cluster().subscribe()?, Arc::clone(seen));
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                ClusterEvent::PrimaryChanged { node, without, .. } => seen.say(format!(
                    "writes go to {node}, after {:.0?} without a primary",
                    without.unwrap_or_default()
                )),
                ClusterEvent::PrimaryLost => seen.say("there is no primary"),
                ClusterEvent::Fenced { node, reason } => {
                    seen.say(format!("{node} is fenced: {reason}"));
                }
                ClusterEvent::Readmitted { node, .. } => seen.say(format!("{node} is back")),
                _ => {}
            }
        }
    });
    Ok(())
}

/// The play: the first node dies, the second takes over, the first comes back.
fn stage(nodes: &[Node], seen: &Seen) -> sealane_harness::Result<()> {
    let pause = |millis| std::thread::sleep(Duration::from_millis(millis));
    pause(800);
    seen.say(format!("** {} is killed **", nodes[0].name()));
    nodes[0].kill()?;
    nodes[1].promote()?;
    seen.say(format!("** {} was promoted **", nodes[1].name()));
    pause(600);
    nodes[2].repoint(&nodes[1])?;
    seen.say(format!("** {} follows it **", nodes[2].name()));
    pause(500);
    nodes[0].start()?;
    seen.say(format!(
        "** {} comes back, and takes writes **",
        nodes[0].name()
    ));
    pause(1_200);
    nodes[0].reset("synchronous_standby_names")?;
    nodes[0].rewind_to(&nodes[1])?;
    seen.say(format!("** {} follows as well **", nodes[0].name()));
    pause(1_000);
    Ok(())
}
