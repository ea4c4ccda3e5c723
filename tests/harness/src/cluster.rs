//! A primary and its streaming standbys, started together and removed together.

use std::{thread, time::Duration, time::Instant};

use crate::{
    Error, Node, Result, Stop, account::Account, binaries::Binaries, guardian::Guarded,
    node::Setup, template::Template,
};

/// What a cluster will be; see [`Cluster::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    standbys: usize,
    synchronous: usize,
    settings: Vec<(String, String)>,
    password: Option<String>,
    plain_password: bool,
    own_identity: bool,
}

/// A primary with its standbys. Dropping it stops every server and removes every file.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    folder: Guarded,
    start_time: Duration,
}

impl Builder {
    /// The number of streaming standbys; none by default.
    pub fn standbys(mut self, count: usize) -> Self {
        self.standbys = count;
        self
    }

    /// How many standbys must have received a commit before it returns; none by default.
    pub fn synchronous(mut self, count: usize) -> Self {
        self.synchronous = count;
        self
    }

    /// A server setting of every node.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The password of the user `postgres` over TCP (SCRAM). Without one the servers trust everybody on this machine.
    pub fn password(mut self, password: Option<&str>) -> Self {
        self.password = password.map(str::to_owned);
        self
    }

    /// Passwords come in plain text and not by SCRAM, for whose thousands of hashes an unoptimized client takes a third of a
    /// second.
    pub fn plain_password(mut self) -> Self {
        self.plain_password = true;
        self
    }

    /// No restart point comes between, so that a server that crashes has all of its log to replay again.
    pub fn much_to_replay(self) -> Self {
        self.setting("checkpoint_timeout", "1h")
            .setting("max_wal_size", "4GB")
    }

    /// A system identifier that no other cluster has. It costs a run of `initdb`; without it all clusters are copies of one
    /// template and share its identifier.
    pub fn own_identity(mut self) -> Self {
        self.own_identity = true;
        self
    }

    /// Starts the servers and returns when every standby streams.
    pub fn start(self) -> Result<Cluster> {
        // A reserved port may still be taken by a process that knows nothing of reservations.
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt() {
                Err(error) if error.port_is_taken() && attempts < 3 => {}
                end => return end,
            }
        }
    }

    fn attempt(&self) -> Result<Cluster> {
        let started = Instant::now();
        let account = Account::find()?;
        let binaries = Binaries::find(&account)?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let template = match self.own_identity {
            true => Template::own(folder.path(), &account, &binaries)?,
            false => Template::get(&account, &binaries)?,
        };
        let setup = Setup {
            account,
            binaries,
            template,
            method: match (&self.password, self.plain_password) {
                (None, _) => "trust",
                (Some(_), true) => "password",
                (Some(_), false) => "scram-sha-256",
            },
        };
        let mut cluster = Cluster {
            nodes: Vec::new(),
            folder,
            start_time: Duration::ZERO,
        };
        let all = 1..=self.standbys + 1;
        cluster.nodes = in_parallel(all, |number| {
            self.node(number, &cluster.folder, setup.clone())
        })?;
        let primary = cluster.primary().addr();
        for standby in cluster.standbys() {
            standby.become_standby_of(primary)?;
        }
        cluster.primary().configure()?;
        in_parallel(&cluster.nodes, Node::start)?;
        in_parallel(cluster.standbys(), Node::wait_streaming)?;
        self.finish(&cluster)?;
        cluster.start_time = started.elapsed();
        Ok(cluster)
    }

    fn node(&self, number: usize, folder: &Guarded, setup: Setup) -> Result<Node> {
        let name = format!("n{number}");
        let node = Node::create(
            name.clone(),
            folder.path().join(name),
            self.password.clone(),
            setup,
        )?;
        node.preset(
            self.settings
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        Ok(node)
    }

    /// What can only be done when all stream: a synchronous commit would wait for ever before.
    fn finish(&self, cluster: &Cluster) -> Result<()> {
        let primary = cluster.primary();
        if let Some(password) = &self.password {
            primary.sql(&format!(
                "alter role postgres password '{}'",
                password.replace('\'', "''")
            ))?;
            for standby in cluster.standbys() {
                standby.wait_caught_up_with(primary)?;
            }
        }
        match self.synchronous {
            0 => Ok(()),
            count => primary.set("synchronous_standby_names", &format!("ANY {count} (*)")),
        }
    }
}

impl Cluster {
    /// Describes a cluster of one primary.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The node that was the primary at the start, whatever it is now.
    #[must_use]
    pub fn primary(&self) -> &Node {
        &self.nodes[0]
    }

    /// One of the nodes that were standbys at the start, counted from zero, whatever it is now.
    #[must_use]
    pub fn standby(&self, index: usize) -> &Node {
        &self.nodes[index + 1]
    }

    /// The nodes that were standbys at the start.
    #[must_use]
    pub fn standbys(&self) -> &[Node] {
        self.nodes.get(1..).unwrap_or_default()
    }

    /// All nodes, the first primary first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Waits until every running standby has replayed what the first primary has written up to now.
    pub fn wait_caught_up(&self) -> Result<()> {
        let running = self.standbys().iter().filter(|node| node.is_running());
        for standby in running {
            standby.wait_caught_up_with(self.primary())?;
        }
        Ok(())
    }

    /// Makes a new, empty database and waits until every running standby has it.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.primary().create_database(name)?;
        self.wait_caught_up()
    }

    /// How long the start took.
    #[must_use]
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// The folder that holds all nodes.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let end = |node: &Node| node.stop(Stop::Immediate).or_else(|_| node.kill());
        if in_parallel(&self.nodes, end).is_ok() {
            self.folder.remove();
        }
    }
}

/// Runs the same for each on a thread of its own; the first error, in order, is the result.
pub(crate) fn in_parallel<I: Send, T: Send>(
    items: impl IntoIterator<Item = I>,
    run: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || run(item)))
            .collect();
        let end = threads.into_iter().map(|thread| thread.join());
        let panicked = || Error::Misuse {
            node: "harness".to_owned(),
            what: "a thread panicked",
        };
        end.map(|end| end.unwrap_or_else(|_| Err(panicked())))
            .collect()
    })
}
