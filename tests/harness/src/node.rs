//! One server: its life, from start to kill.
//!
//! Everything a node needs besides its data stands outside the data folder and is given on the command line, because `pg_rewind`
//! copies the source's configuration along with its data.

mod observe;
mod replication;
mod settings;

pub use observe::{Counters, StatementCount};

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::sys::signal::Signal;

use crate::{
    Error, Result,
    account::Account,
    binaries::Binaries,
    error::Attempt,
    port::Port,
    process,
    template::{TOOLS, Template},
    wait, wire,
};
use settings::Settings;

/// One PostgreSQL server. A cheap clone of a handle: all clones are the same server.
///
/// All methods block the calling thread; see the [crate's page](crate#blocking).
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    name: String,
    /// The node's own folder: data, socket, configuration, log.
    folder: PathBuf,
    port: Port,
    password: Option<String>,
    setup: Setup,
    server: Mutex<Option<Server>>,
    settings: Mutex<Settings>,
}

struct Server {
    child: Child,
    frozen: bool,
}

/// What all nodes of a cluster have in common.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) account: Account,
    pub(crate) binaries: Binaries,
    pub(crate) template: Template,
}

/// How to stop a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Rolls back what is open, writes a checkpoint, lets the standbys receive everything, says goodbye to the clients.
    Fast,
    /// Ends at once; the next start recovers from the log.
    Immediate,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({} at {})", self.0.name, self.addr())
    }
}

impl Node {
    /// Copies the template into a new folder; the server is not started yet.
    pub(crate) fn create(
        name: String,
        folder: PathBuf,
        password: Option<String>,
        setup: Setup,
    ) -> Result<Self> {
        setup.account.folder(&folder)?;
        setup
            .template
            .copy_to(&folder.join("data"), &setup.account)?;
        Ok(Self(Arc::new(Inner {
            name,
            folder,
            port: Port::reserve()?,
            password,
            setup,
            server: Mutex::new(None),
            settings: Mutex::default(),
        })))
    }

    /// `n1`, `n2`, …: also the server's `cluster_name`, and its `application_name` at the primary it follows.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The port, which belongs to this node also while it is down.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port.number()
    }

    /// Where the server listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.0.port.addr()
    }

    /// The URL of the database `postgres`, with the password if the cluster has one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of one database.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        self.url_at(self.addr(), database)
    }

    /// The URL of one database at another address: a [`Forwarder`](crate::Forwarder) in front of this node.
    #[must_use]
    pub fn url_at(&self, addr: SocketAddr, database: &str) -> String {
        let password = self
            .0
            .password
            .as_ref()
            .map(|password| format!(":{password}"));
        format!(
            "postgres://postgres{}@{addr}/{database}",
            password.unwrap_or_default()
        )
    }

    /// Starts the server and waits until it accepts connections, as a standby also for reads. Nothing happens if it runs.
    pub fn start(&self) -> Result<()> {
        let mut server = self.server();
        if server.is_some() {
            return Ok(());
        }
        let child = self.spawn()?;
        let pid = child.id().to_string();
        let child = &mut server
            .insert(Server {
                child,
                frozen: false,
            })
            .child;
        let started = wait::until(
            self.name(),
            "its start",
            || self.log_tail(),
            || {
                if let Some(status) = child
                    .try_wait()
                    .attempt(|| format!("watching {}", self.name()))?
                {
                    return Err(Error::Ended {
                        node: self.name().to_owned(),
                        status: status.to_string(),
                        log: self.log_tail(),
                    });
                }
                let file = self.pid_file();
                let mut lines = file.lines();
                let ready = lines.next() == Some(&pid)
                    && lines.nth(6).is_some_and(|status| status.trim() == "ready");
                Ok(ready.then_some(()))
            },
        );
        if matches!(started, Err(Error::Ended { .. })) {
            *server = None;
        }
        started
    }

    /// Stops the server and waits for its end. A frozen server is thawed first. Nothing happens if it is down.
    pub fn stop(&self, how: Stop) -> Result<()> {
        self.thaw();
        let mut server = self.server();
        let Some(Server { child, .. }) = server.as_mut() else {
            return Ok(());
        };
        let how = match how {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
        };
        process::signal(child.id(), how);
        wait::until(
            self.name(),
            "its end",
            || self.log_tail(),
            || {
                child
                    .try_wait()
                    .attempt(|| format!("watching {}", self.name()))
            },
        )?;
        *server = None;
        Ok(())
    }

    /// Stops fast and starts again.
    pub fn restart(&self) -> Result<()> {
        self.stop(Stop::Fast)?;
        self.start()
    }

    /// Kills all processes of the server at once, as a power cut does, and returns when they are gone.
    pub fn kill(&self) -> Result<()> {
        let mut server = self.server();
        let Some(Server { child, .. }) = server.as_mut() else {
            return Ok(());
        };
        process::kill_all(self.name(), child)?;
        *server = None;
        process::remove_shared_memory(&self.pid_file());
        // Another process may get the old number, and the next start would take it for a running server.
        let path = self.0.folder.join("data/postmaster.pid");
        fs::remove_file(&path).attempt(|| format!("removing {}", path.display()))
    }

    /// Stops all processes where they stand. Clients and the kernel's sockets see a server that does not answer.
    pub fn freeze(&self) {
        if let Some(server) = self.server().as_mut() {
            server.frozen = true;
            process::freeze(server.child.id());
        }
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        if let Some(server) = self.server().as_mut()
            && std::mem::take(&mut server.frozen)
        {
            process::thaw(server.child.id());
        }
    }

    /// Whether the server has been started and neither stopped nor killed. A frozen one counts as running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.server().is_some()
    }

    /// Runs statements, separated by semicolons, in the database `postgres`. Rows come one a line, columns separated by `|`,
    /// NULL as nothing. They are not counted by [`statements`](Self::statements).
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in("postgres", sql)
    }

    /// Runs statements in one database; see [`sql`](Self::sql).
    pub fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        let rows = self.rows(database, sql)?;
        let line = |row: wire::Row| {
            row.into_iter()
                .map(Option::unwrap_or_default)
                .collect::<Vec<_>>()
                .join("|")
        };
        Ok(rows.into_iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Makes a new, empty database; standbys have it when they have caught up.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.sql(&format!("create database \"{name}\"")).map(drop)
    }

    /// Drops a database and ends the connections to it.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.sql(&format!("drop database if exists \"{name}\" with (force)"))
            .map(drop)
    }

    /// Everything the server has logged since it was made.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read(self.0.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn rows(&self, database: &str, sql: &str) -> Result<Vec<wire::Row>> {
        let socket = self.0.folder.join(format!(".s.PGSQL.{}", self.port()));
        let options = match self.0.setup.template.counts_statements {
            true => "-c pg_stat_statements.track=none",
            false => "",
        };
        wire::query(&socket, database, options, sql)
    }

    /// One value from the database of the harness's own tools.
    fn ask(&self, sql: &str) -> Result<String> {
        self.sql_in(TOOLS, sql)
    }

    fn spawn(&self) -> Result<Child> {
        let folder = &self.0.folder;
        let log = folder.join("log");
        let what = || format!("starting {}", self.name());
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .attempt(what)?;
        let errors: File = log.try_clone().attempt(what)?;
        let mut server = self
            .0
            .setup
            .account
            .command(&self.0.setup.binaries.program("postgres")?);
        server.arg("-D").arg(folder.join("data"));
        server.arg("-c").arg(format!(
            "config_file={}",
            folder.join("node.conf").display()
        ));
        server
            .arg("-c")
            .arg(format!("hba_file={}", folder.join("hba.conf").display()));
        server.stdout(Stdio::from(log)).stderr(Stdio::from(errors));
        server.spawn().attempt(what)
    }

    fn pid_file(&self) -> String {
        fs::read_to_string(self.0.folder.join("data/postmaster.pid")).unwrap_or_default()
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.0.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
