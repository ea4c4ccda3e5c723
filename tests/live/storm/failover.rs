//! A primary ends, or lives on beside its successor, and names go with the role or stay.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::sleep,
    time::Duration,
};

use sealane_harness::{Forwarder, Node, Result, Stop};

use super::{clients::Restart, disturber::Quorum};

/// How the old primary ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Kill,
    Stop,
    Freeze,
    /// It lives on, takes writes, and comes back.
    Live,
    /// It lives on where this client cannot reach it.
    Cut,
}

/// What becomes of the names, as an application has them in its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Stay,
    /// The old primary's leads to the new one from then on, the new one's to the old one at the same time.
    Swap,
    /// The old primary's leads to the new one as well; the other one moves when the old primary follows.
    Follow,
}

/// When client processes are restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Never,
    /// There are two primaries, or none.
    Before,
    /// The new one is, and nobody follows it yet.
    Promoted,
    /// The old one is back, and is not led back yet.
    Back,
}

/// One failover, whose steps are the same whatever happens beside them.
pub struct Failover {
    pub nodes: Vec<Node>,
    pub wires: Arc<[Forwarder]>,
    pub between: Arc<[Forwarder]>,
    pub quorum: Quorum,
    pub end: End,
    pub names: Names,
    /// The places of the old primary, and of the wires that lead to it and to its successor.
    pub old: usize,
    pub leads: Vec<usize>,
    pub hold: Duration,
    /// Which of the standbys, where any will do.
    pub any: usize,
    pub when: When,
    pub restart: Restart,
    /// The greatest epoch that whoever starts now has to know of.
    pub settled: Arc<AtomicU64>,
}

impl Failover {
    /// The new primary's place, and where each wire leads to.
    pub fn run(mut self) -> Result<(usize, Vec<usize>)> {
        let others: Vec<usize> = (0..self.nodes.len()).filter(|at| *at != self.old).collect();
        let old = self.nodes[self.old].clone();
        match self.end {
            End::Kill => old.kill()?,
            End::Stop => old.stop(Stop::Fast)?,
            End::Freeze => old.freeze(),
            End::Live | End::Cut => {}
        }
        let new_at = match self.quorum {
            Quorum::Kept => elect(&self.nodes, &others)?,
            Quorum::Ignored => {
                // What is acknowledged from now on is lost with the old primary.
                detach(&self.nodes[others[self.any]])?;
                sleep(Duration::from_millis(300));
                others[self.any]
            }
        };
        let other_at = others.iter().copied().find(|at| *at != new_at);
        let other_at = other_at.unwrap_or(new_at);
        let (new, other) = (self.nodes[new_at].clone(), self.nodes[other_at].clone());
        self.restart_at(When::Before);
        new.promote()?;
        self.settled.store(new.timeline()?.into(), Relaxed);
        let wire_of = |node: usize| self.leads.iter().position(|at| *at == node);
        let (to_old, to_new) = (wire_of(self.old), wire_of(new_at));
        if let (true, Some(to_old), Some(to_new)) = (self.names != Names::Stay, to_old, to_new) {
            self.lead(to_old, new_at);
            if self.names == Names::Swap {
                self.lead(to_new, self.old);
            }
        }
        self.restart_at(When::Promoted);
        sleep(self.hold);
        // Every road leads to the new primary from then on, before anybody takes one.
        self.between
            .iter()
            .for_each(|wire| wire.redirect(new.addr()));
        sleep(Duration::from_millis(20));
        if self.quorum == Quorum::Ignored {
            other.rewind_to(&new)?;
        }
        other.repoint_to(self.between[other_at].addr())?;
        sleep(self.hold);
        old.thaw();
        if !old.is_running() {
            old.start()?;
            // It takes writes until it is led back.
            sleep(self.hold / 2);
        }
        self.restart_at(When::Back);
        old.rewind_to(&new)?;
        old.repoint_to(self.between[self.old].addr())?;
        if let (Names::Follow, Some(to_new)) = (self.names, to_new) {
            self.lead(to_new, self.old);
        }
        Ok((new_at, self.leads))
    }

    fn lead(&mut self, wire: usize, to: usize) {
        self.wires[wire].redirect(self.nodes[to].addr());
        self.leads[wire] = to;
    }

    fn restart_at(&self, when: When) {
        match self.quorum {
            _ if self.when != when => {}
            Quorum::Kept => self.restart.now(),
            // While both primaries live.
            Quorum::Ignored => self.restart.now_and_wait(Duration::from_secs(5)),
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
        sleep(Duration::from_millis(5));
    }
    Ok(())
}
