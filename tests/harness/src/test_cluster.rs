//! A primary and a standby for the tests of an application, with the faults that such tests stage.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use crate::{Builder, Cluster, Error, Forwarder, Node, Result, Stop};

/// A primary and a streaming standby, each behind a network that can be cut. Dropping it stops the servers and removes every
/// file.
///
/// ```no_run
/// use std::time::Duration;
/// use sealane_harness::TestCluster;
///
/// # fn main() -> sealane_harness::Result<()> {
/// let servers = TestCluster::start()?;
/// // What an application is configured with.
/// println!("DATABASE_URL={}", servers.primary_url());
/// println!("DATABASE_REPLICA_URLS={}", servers.replica_url());
///
/// servers.lag(Duration::MAX)?; // the standby shows nothing more
/// servers.lag(Duration::ZERO)?; // and everything again
/// servers.unknown_outcome(); // the next COMMIT is stored, and its answer lost
/// servers.cut(); // nobody reaches the primary
/// servers.heal();
/// servers.fail_over()?; // the primary is killed, the standby is the primary
/// servers.rejoin()?; // and the old one is its standby
/// # Ok(())
/// # }
/// ```
///
/// A start takes about a quarter of a second, so that a test may have its own. Many tests can share one that stands in a
/// `static`, each with a [`database`](Self::database) of its own; staging a fault is then a fault for all of them.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Arc<Cluster>,
    /// In the order of the cluster's nodes.
    links: [Forwarder; 2],
    /// The number of the node that is the primary now.
    primary: AtomicUsize,
}

/// A database of its own for one test, on both servers. Dropping it drops the database, if its primary lives.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    urls: [String; 2],
    /// Dropped with the last of its databases.
    cluster: Arc<Cluster>,
}

impl TestCluster {
    /// Starts both on the newest PostgreSQL that is found on this machine, and returns when the standby streams.
    ///
    /// # Errors
    /// [`Error::MissingBinaries`] with the command that installs a server, where there is none.
    pub fn start() -> Result<Self> {
        Self::with(Cluster::builder())
    }

    /// The same with servers that are described: their settings, a password.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn with(builder: Builder) -> Result<Self> {
        let cluster = builder.standbys(1).start()?;
        let link = |node: &Node| Forwarder::to(node.addr());
        Ok(Self {
            links: [link(cluster.primary())?, link(cluster.standby(0))?],
            cluster: Arc::new(cluster),
            primary: AtomicUsize::new(0),
        })
    }

    /// The URL of the server that was the primary at the start, in the database `postgres`. URLs stay what they are in a
    /// failover, as an application's configuration does.
    #[must_use]
    pub fn primary_url(&self) -> String {
        self.url_of(0, "postgres")
    }

    /// The URL of the server that was the standby at the start.
    #[must_use]
    pub fn replica_url(&self) -> String {
        self.url_of(1, "postgres")
    }

    fn url_of(&self, number: usize, database: &str) -> String {
        self.cluster.nodes()[number].url_at(self.links[number].addr(), database)
    }

    /// A new, empty database for one test, which the standby has as well.
    ///
    /// # Errors
    /// When the primary does not make it, or the standby does not follow.
    pub fn database(&self) -> Result<TestDatabase> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, SeqCst));
        self.primary().create_database(&name)?;
        self.caught_up()?;
        Ok(TestDatabase {
            urls: [self.url_of(0, &name), self.url_of(1, &name)],
            cluster: Arc::clone(&self.cluster),
            name,
        })
    }

    /// The server that is the primary now.
    #[must_use]
    pub fn primary(&self) -> &Node {
        &self.cluster.nodes()[self.number()]
    }

    /// The other one.
    #[must_use]
    pub fn standby(&self) -> &Node {
        &self.cluster.nodes()[1 - self.number()]
    }

    fn number(&self) -> usize {
        self.primary.load(SeqCst)
    }

    /// Waits until the standby shows all that was committed up to now.
    ///
    /// # Errors
    /// When it does not within half a minute; while it [lags](Self::lag), for one.
    pub fn caught_up(&self) -> Result<()> {
        self.standby().wait_caught_up_with(self.primary())
    }

    /// Lets the standby show every commit so much later than it was made. [`Duration::MAX`] lets it stand still, which is what a
    /// test wants that shall not depend on time; [`Duration::ZERO`] ends both.
    ///
    /// # Errors
    /// When the standby is down, or is none any more.
    pub fn lag(&self, lag: Duration) -> Result<()> {
        let standby = self.standby();
        if lag == Duration::MAX {
            return standby.pause_replay();
        }
        standby.apply_delay(lag)?;
        standby.resume_replay()
    }

    /// Kills the primary, as a power cut does, and promotes the standby. The old primary stays down until it
    /// [rejoins](Self::rejoin).
    ///
    /// # Errors
    /// When the standby is down.
    pub fn fail_over(&self) -> Result<()> {
        if !self.standby().is_running() {
            return Err(Error::Misuse {
                node: self.standby().name().to_owned(),
                what: "the standby is down, so nobody can be promoted: rejoin() first",
            });
        }
        self.lag(Duration::ZERO)?;
        self.primary().kill()?;
        self.standby().promote()?;
        self.primary.store(1 - self.number(), SeqCst);
        Ok(())
    }

    /// Changes the roles in peace: what was committed is on the other server before that is promoted, and the old primary
    /// follows it.
    ///
    /// # Errors
    /// As [`fail_over`](Self::fail_over).
    pub fn switch_over(&self) -> Result<()> {
        self.lag(Duration::ZERO)?;
        self.primary().stop(Stop::Fast)?;
        self.standby().promote()?;
        self.primary.store(1 - self.number(), SeqCst);
        self.rejoin()
    }

    /// Brings the server that is not the primary back as its standby; what that wrote alone is gone.
    ///
    /// # Errors
    /// When it cannot be brought back.
    pub fn rejoin(&self) -> Result<()> {
        self.standby().rewind_to(self.primary())
    }

    /// Closes all connections to the primary and refuses new ones, until [`heal`](Self::heal). The server goes on, and so does
    /// what it sends to the standby.
    pub fn cut(&self) {
        self.links[self.number()].cut();
    }

    /// The same for the standby.
    pub fn cut_standby(&self) {
        self.links[1 - self.number()].cut();
    }

    /// Lets nothing through to the primary and back, without a word, until [`heal`](Self::heal): as a network that lost its route.
    pub fn silence(&self) {
        self.links[self.number()].black_hole();
    }

    /// Ends every cut and silence, and a lost answer that nobody has lost yet.
    pub fn heal(&self) {
        self.links.iter().for_each(Forwarder::heal);
    }

    /// Loses the answer to the next `COMMIT` on the primary: it is stored there, and its client's connection ends without a
    /// word. A driver cannot know what became of it.
    pub fn unknown_outcome(&self) {
        self.links[self.number()].lose_answer_to("COMMIT");
    }

    /// How many answers were lost that way.
    #[must_use]
    pub fn lost_answers(&self) -> u64 {
        self.links.iter().map(Forwarder::lost_answers).sum()
    }
}

impl TestDatabase {
    /// The URL on the server that was the primary at the start.
    #[must_use]
    pub fn primary_url(&self) -> &str {
        &self.urls[0]
    }

    /// The URL on the server that was the standby at the start.
    #[must_use]
    pub fn replica_url(&self) -> &str {
        &self.urls[1]
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let is_primary = |node: &&Node| node.is_running() && node.is_primary().unwrap_or(false);
        if let Some(primary) = self.cluster.nodes().iter().find(is_primary) {
            // It goes with the servers otherwise.
            let _ = primary.drop_database(&self.name);
        }
    }
}
