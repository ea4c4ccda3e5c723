//! Where the shop's data is: a SQLite file, servers of its own, or yours.

use std::{sync::Arc, time::Duration};

use sealane::RoutedConnection;
use sealane_harness::{Cluster, TestCluster};
use tempfile::TempDir;
use tokio::{sync::Mutex, task::spawn_blocking};

use crate::Failed;

/// How far the standby is behind with the button for it.
pub const LAG: Duration = Duration::from_secs(5);

/// What has to live for as long as the shop does; what it started is gone with it.
pub enum Servers {
    File(TempDir),
    Started(Stage),
    Yours,
}

/// The servers that the shop started, for the buttons. One is pressed at a time.
#[derive(Clone)]
pub struct Stage(Arc<Mutex<Arc<TestCluster>>>);

impl Servers {
    pub async fn start(cluster: bool) -> Result<Self, Failed> {
        if cluster {
            // An identity of its own, or the bookmarks of another run's cookies would be taken for this one's.
            let start = || TestCluster::with(Cluster::builder().own_identity());
            let servers = spawn_blocking(start).await??;
            return Ok(Self::Started(Stage(Arc::new(Mutex::new(Arc::new(
                servers,
            ))))));
        }
        if std::env::var_os("DATABASE_URL").is_some() {
            return Ok(Self::Yours);
        }
        Ok(Self::File(tempfile::tempdir()?))
    }

    pub async fn connect(&self) -> Result<RoutedConnection, Failed> {
        let builder = match self {
            Self::Yours => return Ok(RoutedConnection::from_env().await?),
            Self::File(folder) => {
                let file = folder.path().join("shop.db");
                RoutedConnection::builder().primary(format!("sqlite://{}?mode=rwc", file.display()))
            }
            Self::Started(stage) => {
                let servers = stage.0.lock().await;
                RoutedConnection::builder()
                    .primary(format!("{}?name=db-1", servers.primary_url()))
                    .replica(format!("{}?name=db-2", servers.replica_url()))
            }
        };
        Ok(builder.connect().await?)
    }

    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Started(stage) => Some(stage.clone()),
            Self::File(_) | Self::Yours => None,
        }
    }

    /// Stops what was started, and removes its files.
    pub async fn stop(self) {
        // Servers are waited for, which blocks.
        let _ = spawn_blocking(move || drop(self)).await;
    }
}

/// What a button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Kill,
    Restart,
    FailOver,
    SwitchOver,
    Rejoin,
    Pause,
    Lag,
    Resume,
}

impl Act {
    pub const ALL: [Self; 8] = [
        Self::Kill,
        Self::Restart,
        Self::FailOver,
        Self::SwitchOver,
        Self::Rejoin,
        Self::Pause,
        Self::Lag,
        Self::Resume,
    ];

    /// The last part of its path.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::FailOver => "fail-over",
            Self::SwitchOver => "switch-over",
            Self::Rejoin => "rejoin",
            Self::Pause => "pause",
            Self::Lag => "lag",
            Self::Resume => "resume",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.word() == word)
    }

    /// What stands on the button.
    pub fn label(self) -> &'static str {
        match self {
            Self::Kill => "Kill the primary",
            Self::Restart => "Start it again",
            Self::FailOver => "Fail over",
            Self::SwitchOver => "Switch over",
            Self::Rejoin => "Bring the old primary back",
            Self::Pause => "Pause replay",
            Self::Lag => "Lag by 5 s",
            Self::Resume => "Catch up",
        }
    }

    /// What comes of it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Kill => "as a power cut does; writes wait until there is a primary",
            Self::Restart => "the killed primary, before anybody else was promoted",
            Self::FailOver => "the primary is killed and the standby promoted",
            Self::SwitchOver => "the roles change in peace",
            Self::Rejoin => "as the standby of the new primary",
            Self::Pause => "the standby shows nothing of what is written from now on",
            Self::Lag => "the standby shows every commit so much later",
            Self::Resume => "ends both",
        }
    }

    /// What is told once it is done.
    fn told(self) -> &'static str {
        match self {
            Self::Kill => "The primary was killed.",
            Self::Restart => "The primary was started again.",
            Self::FailOver => "The primary was killed and the standby promoted.",
            Self::SwitchOver => "The standby was promoted, and the old primary follows it.",
            Self::Rejoin => "The old primary is a standby now.",
            Self::Pause => "The standby replays nothing.",
            Self::Lag => "The standby replays every commit 5 s late.",
            Self::Resume => "The standby replays as fast as it can.",
        }
    }
}

impl Act {
    /// A server is back that was down. Whoever looks after servers knows it before their clients do, and may say so.
    pub fn brings_back(self) -> bool {
        matches!(self, Self::Restart | Self::SwitchOver | Self::Rejoin)
    }
}

impl Stage {
    /// Does it, and says what was done or why not.
    pub async fn perform(&self, act: Act) -> Result<&'static str, String> {
        let servers = self.0.lock().await;
        let staged = Arc::clone(&servers);
        let done = spawn_blocking(move || match act {
            Act::Kill => staged.primary().kill(),
            Act::Restart => staged.primary().start(),
            Act::FailOver => staged.fail_over(),
            Act::SwitchOver => staged.switch_over(),
            Act::Rejoin => staged.rejoin(),
            Act::Pause => staged.lag(Duration::MAX),
            Act::Lag => staged.lag(LAG),
            Act::Resume => staged.lag(Duration::ZERO),
        });
        match done.await {
            Ok(Ok(())) => Ok(act.told()),
            Ok(Err(err)) => Err(err.to_string()),
            Err(err) => Err(err.to_string()),
        }
    }
}
