//! What happens to the servers, to their names and to the clients, one thing after the other.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use fastrand::Rng;
use sealane::RoutedConnection;
use sealane_harness::{Forwarder, Node};

use super::{
    Sea,
    calm::{Calm, until_whole},
    clients::Restart,
    failover::{End, Failover, Names, When},
};

/// Whether promotions keep what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// A commit returns once a standby has it, and the one that has received most is promoted.
    Kept,
    /// Commits do not wait, and any standby is promoted.
    Ignored,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Freeze,
    Terminate,
    PauseReplay,
    Cut,
    CutBetween,
    BlackHole,
    Restart,
    /// Nothing but broken statements.
    Calm,
    FailOver(End, Names, When),
}

/// What every storm has at least once, however short: the rest is left to chance.
const FIRST: [Step; 4] = [
    Step::Calm,
    Step::FailOver(End::Live, Names::Follow, When::Promoted),
    Step::Restart,
    Step::Calm,
];

pub struct Disturber<'a> {
    nodes: &'a [Node],
    wires: Arc<[Forwarder]>,
    between: Arc<[Forwarder]>,
    quorum: Quorum,
    rng: Rng,
    with: With,
    /// The primary's place.
    primary: usize,
    /// The node that each wire leads to.
    leads: Vec<usize>,
    steps: usize,
    done: BTreeMap<&'static str, u64>,
}

/// Whom it disturbs.
pub struct With {
    pub db: RoutedConnection,
    pub calm: Arc<Calm>,
    pub restart: Restart,
    pub settled: Arc<AtomicU64>,
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

impl<'a> Disturber<'a> {
    pub fn new(sea: &'a Sea, quorum: Quorum, seed: u64, with: With) -> Self {
        Self {
            nodes: sea.cluster.nodes(),
            wires: Arc::clone(&sea.wires),
            between: Arc::clone(&sea.between),
            quorum,
            rng: Rng::with_seed(seed),
            with,
            primary: 0,
            leads: (0..sea.cluster.nodes().len()).collect(),
            steps: 0,
            done: BTreeMap::new(),
        }
    }

    pub async fn run(mut self, until: Instant) -> Done {
        let least = match self.quorum {
            Quorum::Kept => FIRST.len(),
            Quorum::Ignored => 2,
        };
        while Instant::now() < until || self.steps < least {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(100..600))).await;
            let step = self.next();
            self.one(step).await;
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

    fn next(&mut self) -> Step {
        self.steps += 1;
        if self.quorum == Quorum::Ignored {
            let names = match self.steps % 2 {
                0 => Names::Stay,
                _ => self.moved(),
            };
            return Step::FailOver(End::Live, names, When::Promoted);
        }
        if let Some(step) = FIRST.get(self.steps - 1) {
            return *step;
        }
        let end = match self.rng.u32(..100) {
            0..9 => return Step::Freeze,
            9..16 => return Step::Terminate,
            16..24 => return Step::PauseReplay,
            24..33 => return Step::Cut,
            33..38 => return Step::CutBetween,
            38..43 => return Step::BlackHole,
            43..48 => return Step::Restart,
            48..58 => return Step::Calm,
            58..67 => End::Kill,
            67..77 => End::Live,
            77..85 => End::Freeze,
            85..93 => return Step::FailOver(End::Cut, Names::Stay, self.when()),
            _ => End::Stop,
        };
        let names = match self.rng.bool() {
            true => self.moved(),
            false => Names::Stay,
        };
        Step::FailOver(end, names, self.when())
    }

    fn moved(&mut self) -> Names {
        match self.rng.bool() {
            true => Names::Swap,
            false => Names::Follow,
        }
    }

    fn when(&mut self) -> When {
        let all = [When::Never, When::Before, When::Promoted, When::Back];
        all[self.rng.usize(..all.len())]
    }

    async fn one(&mut self, step: Step) {
        let pause = Duration::from_millis(self.rng.u64(50..700));
        let anyone = self.rng.usize(..self.nodes.len());
        let (node, standby) = (self.nodes[anyone].clone(), self.standby());
        match step {
            Step::Freeze => {
                self.note("freezes");
                node.freeze();
                tokio::time::sleep(pause).await;
                node.thaw();
            }
            Step::Terminate => {
                self.note("terminations");
                let ended = tokio::task::spawn_blocking(move || node.terminate_connections());
                ended.await.unwrap().unwrap();
            }
            Step::PauseReplay => {
                self.note("pauses of replay");
                let standby = self.nodes[standby].clone();
                let paused = tokio::task::spawn_blocking(move || {
                    standby.pause_replay()?;
                    std::thread::sleep(pause);
                    standby.resume_replay()
                });
                paused.await.unwrap().unwrap();
            }
            Step::Cut => {
                self.note("cuts");
                self.wires[anyone].cut();
                tokio::time::sleep(pause).await;
                self.wires[anyone].heal();
            }
            Step::CutBetween => {
                self.note("cuts between nodes");
                self.between[standby].cut();
                tokio::time::sleep(pause).await;
                self.between[standby].heal();
            }
            Step::BlackHole => {
                self.note("black holes");
                self.wires[anyone].black_hole();
                tokio::time::sleep(pause).await;
                self.wires[anyone].heal();
                self.wires[anyone].disconnect();
            }
            Step::Restart => {
                self.note("restarts of clients");
                self.with.restart.now();
            }
            Step::Calm => self.calm(pause).await,
            Step::FailOver(end, names, when) => self.fail_over(end, names, when).await,
        }
    }

    async fn calm(&mut self, length: Duration) {
        let length = length + Duration::from_millis(300);
        let With { db, calm, .. } = &self.with;
        let what = match until_whole(db, Duration::from_secs(5)).await {
            false => {
                println!("no calm: {}", db.cluster().topology());
                "calms that did not come"
            }
            true if calm.hold(length, &self.nodes[self.primary]).await => "calms",
            true => "calms of a machine that was busy",
        };
        self.note(what);
    }

    async fn fail_over(&mut self, end: End, names: Names, when: When) {
        self.note(match end {
            End::Kill => "kills",
            End::Stop => "stops",
            End::Freeze => "frozen primaries",
            End::Live => "living primaries",
            End::Cut => "primaries cut off",
        });
        match names {
            Names::Stay => {}
            Names::Swap => self.note("names swapped"),
            Names::Follow => self.note("names moved"),
        }
        if when != When::Never {
            self.note("restarts of clients");
        }
        let wires = Arc::clone(&self.wires);
        let wire = self.leads.iter().position(|at| *at == self.primary);
        let wire = wire.map(|at| &wires[at]).filter(|_| end == End::Cut);
        if let Some(wire) = wire {
            wire.black_hole();
        }
        let failover = Failover {
            nodes: self.nodes.to_vec(),
            wires: Arc::clone(&self.wires),
            between: Arc::clone(&self.between),
            quorum: self.quorum,
            end,
            names,
            old: self.primary,
            leads: self.leads.clone(),
            hold: Duration::from_millis(self.rng.u64(50..500)),
            any: self.rng.usize(..self.nodes.len() - 1),
            when,
            restart: self.with.restart.clone(),
            settled: Arc::clone(&self.with.settled),
        };
        let changed = tokio::task::spawn_blocking(move || failover.run());
        (self.primary, self.leads) = changed.await.unwrap().unwrap();
        if let Some(wire) = wire {
            wire.heal();
            wire.disconnect();
        }
    }
}
