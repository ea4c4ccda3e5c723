//! The servers, their names and their passwords, and what happens to them: one thing after the other.

use std::{collections::BTreeMap, path::PathBuf, thread::sleep, time::Duration};

use fastrand::Rng;
use sealane_harness::{Cluster, Dns, Forwarder, Node, Result};

use super::child::Child;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Swap,
    Handles,
    Kill,
    /// The primary ends, a standby is promoted, and the old one comes back as a standby.
    FailOver,
    Freeze,
    /// Two names lead to each other's server.
    MoveNames,
    /// The service names one server less, then all again.
    Service,
    Password,
    Cut,
    BlackHole,
    Terminate,
}

const ALL: [Step; 11] = [
    Step::Swap,
    Step::Handles,
    Step::Kill,
    Step::FailOver,
    Step::Freeze,
    Step::MoveNames,
    Step::Service,
    Step::Password,
    Step::Cut,
    Step::BlackHole,
    Step::Terminate,
];

const SERVICE: &str = "_db._tcp.test";
const TARGETS: [&str; 3] = ["one.test", "two.test", "three.test"];

pub struct Disturber {
    rng: Rng,
    cluster: Cluster,
    wires: Vec<Forwarder>,
    /// The node that each wire leads to.
    leads: Vec<usize>,
    /// The primary's place.
    primary: usize,
    dns: Dns,
    folder: tempfile::TempDir,
    passwords: usize,
    done: BTreeMap<Step, u64>,
}

impl Disturber {
    pub fn new(rng: Rng) -> Self {
        let cluster = Cluster::builder()
            .standbys(2)
            .password(Some("administrator"))
            .plain_password()
            .setting("checkpoint_timeout", "1h")
            .setting("wal_receiver_timeout", "5s");
        let cluster = cluster.start().unwrap();
        let primary = cluster.primary();
        for sql in [
            "CREATE ROLE app LOGIN PASSWORD 'number 0' IN ROLE pg_monitor",
            "CREATE TABLE log (n bigint)",
            "INSERT INTO log SELECT generate_series(1, 20)",
            "GRANT ALL ON log TO app",
        ] {
            primary.sql(sql).unwrap();
        }
        cluster.wait_caught_up().unwrap();
        let wire = |node: &Node| Forwarder::to(node.addr()).unwrap();
        let mut all = Self {
            rng,
            wires: cluster.nodes().iter().map(wire).collect(),
            leads: vec![0, 1, 2],
            primary: 0,
            dns: Dns::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            passwords: 0,
            done: BTreeMap::new(),
            cluster,
        };
        std::fs::write(all.password_file(), "number 0").unwrap();
        all.tell(&[0, 1, 2]).unwrap();
        all
    }

    /// What the client needs: where its password is, its service, and the URLs.
    pub fn client(&self) -> String {
        let urls = self.wires.iter().map(|wire| {
            let addr = wire.addr();
            format!("postgres://app@{addr}/postgres")
        });
        let urls: Vec<_> = urls.collect();
        let (file, dns) = (self.password_file(), self.dns.addr());
        format!("{} {SERVICE}@{dns} {}", file.display(), urls.join(" "))
    }

    /// Each step once, in an order of its own.
    pub fn round(&mut self, child: &mut Child) {
        let mut steps = ALL;
        self.rng.shuffle(&mut steps);
        for step in steps {
            self.step(step, child)
                .unwrap_or_else(|err| panic!("{step:?}: {err}"));
            *self.done.entry(step).or_default() += 1;
        }
    }

    /// Returns when every standby streams and has all.
    pub fn heal(&self) {
        let primary = &self.cluster.nodes()[self.primary];
        for node in self.standbys() {
            node.wait_streaming().unwrap();
            node.wait_caught_up_with(primary).unwrap();
        }
    }

    pub fn done(&self) -> String {
        format!("{:?}", self.done)
    }

    fn step(&mut self, step: Step, child: &mut Child) -> Result<()> {
        let (at, any) = (self.standby(), self.rng.usize(..self.wires.len()));
        let node = self.cluster.nodes()[any].clone();
        match step {
            Step::Swap => drop(child.order(&format!("swap {}", self.rng.u64(..)))),
            Step::Handles => drop(child.order("handles")),
            Step::Kill => {
                node.kill()?;
                self.hold();
                node.start()?;
            }
            Step::FailOver => self.fail_over(at)?,
            Step::Freeze => {
                node.freeze();
                self.hold();
                node.thaw();
            }
            Step::MoveNames => {
                let other = (any + 1) % self.wires.len();
                self.leads.swap(any, other);
                for wire in [any, other] {
                    self.wires[wire].redirect(self.cluster.nodes()[self.leads[wire]].addr());
                    self.wires[wire].disconnect();
                }
            }
            Step::Service => {
                let all = [0, 1, 2];
                let some: Vec<_> = all.into_iter().filter(|wire| *wire != any).collect();
                self.tell(&some)?;
                self.hold();
                self.tell(&all)?;
            }
            Step::Password => self.change_password()?,
            Step::Cut => {
                self.wires[any].cut();
                self.hold();
                self.wires[any].heal();
            }
            Step::BlackHole => {
                self.wires[any].black_hole();
                self.hold();
                self.wires[any].heal();
                self.wires[any].disconnect();
            }
            Step::Terminate => node.terminate_connections()?,
        }
        Ok(())
    }

    fn fail_over(&mut self, new_at: usize) -> Result<()> {
        let nodes = self.cluster.nodes().to_vec();
        let (old, new) = (&nodes[self.primary], &nodes[new_at]);
        old.kill()?;
        self.hold();
        new.promote()?;
        for node in nodes.iter().filter(|node| node.name() != new.name()) {
            // What it has received beyond the new primary's beginning is gone.
            if !node.is_running() {
                node.start()?;
            }
            node.rewind_to(new)?;
        }
        self.primary = new_at;
        Ok(())
    }

    /// Either may come first.
    fn change_password(&mut self) -> Result<()> {
        self.passwords += 1;
        let file_first = self.rng.bool();
        let password = format!("number {}", self.passwords);
        let write = || std::fs::write(self.password_file(), &password).unwrap();
        let primary = &self.cluster.nodes()[self.primary];
        if file_first {
            write();
        }
        primary.sql(&format!("ALTER ROLE app PASSWORD '{password}'"))?;
        for node in self.standbys() {
            node.wait_caught_up_with(primary)?;
        }
        if !file_first {
            write();
        }
        Ok(())
    }

    fn tell(&mut self, wires: &[usize]) -> Result<()> {
        let target = |wire: &usize| (TARGETS[*wire], self.wires[*wire].addr().port(), 1);
        let targets: Vec<_> = wires.iter().map(target).collect();
        self.dns.service(SERVICE, &targets)
    }

    fn standbys(&self) -> impl Iterator<Item = &Node> {
        let nodes = self.cluster.nodes().iter().enumerate();
        nodes.filter_map(|(at, node)| (at != self.primary).then_some(node))
    }

    fn standby(&mut self) -> usize {
        let at = self.rng.usize(..self.wires.len() - 1);
        at + usize::from(at >= self.primary)
    }

    fn hold(&mut self) {
        sleep(Duration::from_millis(self.rng.u64(50..500)));
    }

    fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }
}
