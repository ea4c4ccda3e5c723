//! One server: who it is, where it listens, and SQL to it.
//!
//! Everything a node needs besides its data stands outside the data folder and is given on the command line, because `pg_rewind`
//! copies the source's configuration along with its data.

mod life;
mod observe;
mod rejoin;
mod replication;
mod settings;
mod tls;

pub use life::Stop;
pub use observe::{Counters, StatementCount};
pub use tls::TlsClients;

use std::{
    fmt, fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Result,
    account::Account,
    binaries::Binaries,
    port::Port,
    server::ServerSlot,
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
    server: ServerSlot,
    settings: Mutex<Settings>,
    /// Who may come over TCP, where it is not as the password says.
    clients: Mutex<Option<TlsClients>>,
}

/// What all nodes of a cluster have in common.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) account: Account,
    pub(crate) binaries: Binaries,
    pub(crate) template: Template,
    /// How a client over TCP shows who it is, as `pg_hba.conf` calls it.
    pub(crate) method: &'static str,
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
            server: ServerSlot::default(),
            settings: Mutex::default(),
            clients: Mutex::default(),
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
        let password = self.0.password.as_deref().map(encode);
        let password = password.map_or_else(String::new, |password| format!(":{password}"));
        format!("postgres://postgres{password}@{addr}/{database}")
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

    /// Waits for a condition, with this server's log in the error.
    fn wait_for<T>(&self, what: &str, ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        wait::until(self.name(), what, || self.log_tail(), ready)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.0
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A password may hold what ends it in a URL.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
