//! Positions that a test makes (feature `testing`): how far the primary has written is counted here, and a replica has what the
//! test says that it has.
//!
//! Nobody is asked and nothing runs beside: a capture is taken by whoever needs one, at that moment. So what a test sees does
//! not depend on time.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use super::{tracker::Tracker, wait::Look};
use crate::{
    causality::{PrimaryPlace, ReplayReport, Upstream},
    position::{ClusterId, Epoch, Lsn, Position},
    vocabulary::Role,
};

/// The only timeline: nobody is promoted.
const TIMELINE: u32 = 1;

/// What stands in the place of servers.
#[derive(Debug)]
pub(crate) struct SimulatedPositions {
    cluster: u64,
    /// As far as the replicas have come.
    replayed: AtomicU64,
}

impl SimulatedPositions {
    pub(crate) fn new() -> Self {
        static CLUSTERS: AtomicU64 = AtomicU64::new(1);
        Self {
            cluster: CLUSTERS.fetch_add(1, Ordering::Relaxed),
            replayed: AtomicU64::new(0),
        }
    }
}

impl Tracker {
    /// Takes the capture that somebody needs; whether there was one to take.
    pub(super) fn capture_simulated(&self) -> bool {
        let Some(simulated) = &self.simulated else {
            return false;
        };
        let writes = &self.clock.writes;
        let wanted = writes.wants_capture() || writes.captures().is_asked();
        if wanted {
            let question = writes.question(self.word());
            // After the question: what returned before lies below.
            writes.cover(question, simulated.place(writes.ticks()));
        }
        wanted
    }

    /// A look that finds answered what it has asked for.
    pub(super) fn look_at_simulated<T>(
        &self,
        mut look: impl FnMut() -> Look<T>,
    ) -> impl FnMut() -> Look<T> {
        self.sample_simulated();
        move || match look() {
            Look::NotYet if self.capture_simulated() => look(),
            end => end,
        }
    }

    /// Every replica has what returned up to now.
    pub(crate) fn replicate(&self) {
        let Some(simulated) = &self.simulated else {
            return;
        };
        let question = self.clock.writes.question(self.word());
        let place = simulated.place(self.clock.writes.ticks());
        let lsn = place.position.lsn.0;
        self.clock.writes.cover(question, place);
        simulated.replayed.fetch_max(lsn, Ordering::AcqRel);
        self.sample_simulated();
    }

    /// The replicas say how far they are.
    pub(super) fn sample_simulated(&self) {
        let Some(simulated) = &self.simulated else {
            return;
        };
        let replayed = simulated.replayed.load(Ordering::Acquire);
        if replayed == 0 {
            return;
        }
        let snapshot = self.snapshot.load();
        let nodes = snapshot.nodes();
        for node in nodes.filter(|node| node.seen.role == Role::Replica) {
            let (own, id) = (&node.member.node, node.member.node.id);
            let report = ReplayReport {
                begun: Instant::now(),
                lsn: Some(replayed),
                executed: None,
                complete: true,
                source: Upstream::Timeline(TIMELINE),
                cluster: simulated.cluster,
                server: u64::from(id.0) + 1,
                address: None,
                connection: None,
            };
            self.learn(id, &own.replayed, &report);
        }
    }
}

impl SimulatedPositions {
    /// Where the primary is when so many writes have returned.
    fn place(&self, ticks: u64) -> PrimaryPlace {
        PrimaryPlace {
            position: Position {
                epoch: Epoch {
                    cluster: ClusterId(self.cluster),
                    timeline: TIMELINE,
                },
                lsn: Lsn(ticks + 1),
            },
            writer: None,
            executed: None,
            started: 1,
        }
    }
}
