//! What happens to the servers, one thing after the other.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use sealane_harness::{Forwarder, Node, Result, Stop};

use super::Sea;

/// Whether promotions keep what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// A commit returns once a standby has it, and the one that has received most is promoted.
    Kept,
    /// Commits do not wait, and any standby is promoted.
    Ignored,
}

pub struct Disturber<'a> {
    nodes: &'a [Node],
    wires: &'a [Forwarder],
    between: Arc<[Forwarder]>,
    quorum: Quorum,
    rng: Rng,
    /// The primary's place.
    primary: usize,
    done: BTreeMap<&'static str, u64>,
}

pub struct Done {
    pub primary: Node,
    done: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.done)
    }
}

/// How the old primary ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    Stop,
    Freeze,
    /// It lives on, takes writes, and comes back.
    Live,
    /// It lives on where this client cannot reach it.
    Cut,
}

impl<'a> Disturber<'a> {
    pub fn new(sea: &'a Sea, quorum: Quorum, seed: u64) -> Self {
        Self {
            nodes: sea.cluster.nodes(),
            wires: &sea.wires,
            between: Arc::clone(&sea.between),
            quorum,
            rng: Rng::with_seed(seed),
            primary: 0,
            done: BTreeMap::new(),
        }
    }

    pub async fn run(mut self, until: Instant) -> Done {
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(100..600))).await;
            self.one().await;
        }
        Done {
            primary: self.nodes[self.primary].clone(),
            done: self.done,
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn standby(&mut self) -> usize {
        let at = self.rng.usize(..self.nodes.len() - 1);
        at + usize::from(at >= self.primary)
    }

    async fn one(&mut self) {
        if self.quorum == Quorum::Ignored {
            return self.fail_over(End::Live).await;
        }
        let pause = Duration::from_millis(self.rng.u64(50..700));
        let anyone = self.rng.usize(..self.nodes.len());
        let (node, standby) = (self.nodes[anyone].clone(), self.standby());
        match self.rng.u32(..100) {
            0..12 => {
                self.note("freezes");
                node.freeze();
                tokio::time::sleep(pause).await;
                node.thaw();
            }
            12..20 => {
                self.note("terminations");
                let ended = tokio::task::spawn_blocking(move || node.terminate_connections());
                ended.await.unwrap().unwrap();
            }
            20..30 => {
                self.note("pauses of replay");
                let standby = self.nodes[standby].clone();
                let paused = tokio::task::spawn_blocking(move || {
                    standby.pause_replay()?;
                    std::thread::sleep(pause);
                    standby.resume_replay()
                });
                paused.await.unwrap().unwrap();
            }
            30..42 => {
                self.note("cuts");
                self.wires[anyone].cut();
                tokio::time::sleep(pause).await;
                self.wires[anyone].heal();
            }
            42..47 => {
                self.note("cuts between nodes");
                self.between[standby].cut();
                tokio::time::sleep(pause).await;
                self.between[standby].heal();
            }
            47..52 => {
                self.note("black holes");
                self.wires[anyone].black_hole();
                tokio::time::sleep(pause).await;
                self.wires[anyone].heal();
                self.wires[anyone].disconnect();
            }
            52..62 => self.fail_over(End::Kill).await,
            62..72 => self.fail_over(End::Live).await,
            72..82 => self.fail_over(End::Freeze).await,
            82..92 => self.fail_over(End::Cut).await,
            _ => self.fail_over(End::Stop).await,
        }
    }

    async fn fail_over(&mut self, end: End) {
        self.note(match end {
            End::Kill => "kills",
            End::Stop => "stops",
            End::Freeze => "frozen primaries",
            End::Live => "living primaries",
            End::Cut => "primaries cut off",
        });
        let old_at = self.primary;
        let others: Vec<usize> = (0..self.nodes.len()).filter(|at| *at != old_at).collect();
        let nodes = self.nodes.to_vec();
        let wire = &self.wires[old_at];
        if end == End::Cut {
            wire.black_hole();
        }
        let (quorum, hold) = (self.quorum, Duration::from_millis(self.rng.u64(50..500)));
        let any = self.rng.usize(..others.len());
        // Of the same wires that can be cut: they lead to whoever is the primary.
        let roads: Vec<_> = self.between.iter().map(Forwarder::addr).collect();
        let between = Arc::clone(&self.between);
        let changed = tokio::task::spawn_blocking(move || -> Result<usize> {
            // Every road leads to the new primary from then on, before anybody takes one.
            let lead = |new: &Node| {
                between.iter().for_each(|wire| wire.redirect(new.addr()));
                std::thread::sleep(Duration::from_millis(20));
            };
            let old = &nodes[old_at];
            match end {
                End::Kill => old.kill()?,
                End::Stop => old.stop(Stop::Fast)?,
                End::Freeze => old.freeze(),
                End::Live | End::Cut => {}
            }
            let new_at = match quorum {
                Quorum::Kept => elect(&nodes, &others)?,
                Quorum::Ignored => {
                    // What is acknowledged from now on is lost with the old primary.
                    detach(&nodes[others[any]])?;
                    std::thread::sleep(Duration::from_millis(300));
                    others[any]
                }
            };
            let other_at = others
                .iter()
                .copied()
                .find(|at| *at != new_at)
                .unwrap_or(new_at);
            let (new, other) = (&nodes[new_at], &nodes[other_at]);
            new.promote()?;
            std::thread::sleep(hold);
            lead(new);
            if quorum == Quorum::Ignored {
                other.rewind_to(new)?;
            }
            other.repoint_to(roads[other_at])?;
            std::thread::sleep(hold);
            old.thaw();
            if !old.is_running() {
                old.start()?;
                // It takes writes until it is led back.
                std::thread::sleep(hold / 2);
            }
            old.rewind_to(new)?;
            old.repoint_to(roads[old_at])?;
            Ok(new_at)
        });
        self.primary = changed.await.unwrap().unwrap();
        wire.heal();
        if end == End::Cut {
            wire.disconnect();
        }
    }
}

/// Detaches both standbys from whatever they follow, so that nothing more is acknowledged there, and finds the one that
/// has received most.
fn elect(nodes: &[Node], others: &[usize]) -> Result<usize> {
    let mut best = (0_u128, others[0]);
    for at in others {
        nodes[*at].set("primary_conninfo", "")?;
    }
    for at in others {
        let node = &nodes[*at];
        detach(node)?;
        let received = node.sql("SELECT pg_last_wal_receive_lsn() - '0/0'::pg_lsn")?;
        let received = received.trim().parse().unwrap_or(0);
        if received > best.0 {
            best = (received, *at);
        }
    }
    Ok(best.1)
}

/// Lets a standby follow nobody; returns when its receiver has gone.
fn detach(node: &Node) -> Result<()> {
    node.set("primary_conninfo", "")?;
    while node
        .sql("SELECT count(*) FROM pg_stat_wal_receiver")?
        .trim()
        != "0"
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
