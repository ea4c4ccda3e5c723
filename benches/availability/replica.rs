//! The one replica, and what happens to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sealane::RoutedConnection;
use sealane_harness::{Cluster, Forwarder, Node};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Up,
    Stopped,
    Frozen,
    Lagging,
    Restarting,
    Refusing,
}

impl State {
    pub(crate) const ALL: [Self; 6] = [
        Self::Up,
        Self::Stopped,
        Self::Frozen,
        Self::Lagging,
        Self::Restarting,
        Self::Refusing,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Stopped => "stopped",
            Self::Frozen => "frozen",
            Self::Lagging => "lagging",
            Self::Restarting => "restarting",
            Self::Refusing => "refusing",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            format!("no state `{name}`: {all}").into()
        })
    }
}

/// How long a load has run before the replica's state changes.
const BEFORE: Duration = Duration::from_millis(30);

pub(crate) struct Replica {
    cluster: Cluster,
    wire: Forwarder,
}

/// What has to be taken back.
pub(crate) struct Entered {
    state: State,
    over: Arc<AtomicBool>,
    /// What goes on meanwhile.
    task: Option<JoinHandle<sealane_harness::Result<()>>>,
}

impl Replica {
    pub(crate) fn start() -> Result<Self> {
        let cluster = Cluster::builder().standbys(1).own_identity().start()?;
        cluster.primary().sql("CREATE TABLE note (n int)")?;
        cluster.wait_caught_up()?;
        let wire = Forwarder::to(cluster.standby(0).addr())?;
        Ok(Self { cluster, wire })
    }

    pub(crate) fn primary(&self) -> &Node {
        self.cluster.primary()
    }

    pub(crate) fn url(&self) -> String {
        let url = self.cluster.standby(0).url_at(self.wire.addr(), "postgres");
        format!("{url}?name=one")
    }

    pub(crate) async fn until_used(&self, db: &RoutedConnection) -> Result<()> {
        let begun = Instant::now();
        loop {
            let topology = db.cluster().topology();
            if topology.nodes.iter().all(|node| node.ineligible.is_none()) {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(60) {
                return Err(format!("the replica is not used again: {topology}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns when it is so.
    pub(crate) async fn enter(&self, state: State) -> Result<Entered> {
        tokio::time::sleep(BEFORE).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut task = None;
        let (primary, node) = (self.primary().clone(), self.cluster.standby(0).clone());
        match state {
            State::Up => {}
            State::Stopped => spawn_blocking(move || node.kill()).await??,
            State::Frozen => node.freeze(),
            State::Refusing => self.wire.cut(),
            State::Lagging => {
                spawn_blocking(move || node.pause_replay()).await??;
                // Nothing lags where nobody writes.
                let over = Arc::clone(&over);
                task = Some(spawn_blocking(move || {
                    while !over.load(Relaxed) {
                        primary.sql("INSERT INTO note VALUES (2)")?;
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    Ok(())
                }));
            }
            State::Restarting => {
                let over = Arc::clone(&over);
                task = Some(spawn_blocking(move || {
                    while !over.load(Relaxed) {
                        node.restart()?;
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    Ok(())
                }));
            }
        }
        Ok(Entered { state, over, task })
    }

    /// As it was.
    pub(crate) async fn leave(&self, entered: Entered) -> Result<()> {
        entered.over.store(true, Relaxed);
        if let Some(task) = entered.task {
            task.await??;
        }
        let node = self.cluster.standby(0).clone();
        match entered.state {
            State::Up | State::Restarting => {}
            State::Stopped => spawn_blocking(move || node.start()).await??,
            State::Frozen => node.thaw(),
            State::Refusing => self.wire.heal(),
            State::Lagging => spawn_blocking(move || node.resume_replay()).await??,
        }
        let (node, primary) = (self.cluster.standby(0).clone(), self.primary().clone());
        spawn_blocking(move || node.wait_caught_up_with(&primary)).await??;
        Ok(())
    }
}
