//! One server: who it is, where it listens, and SQL to it.

mod life;
mod observe;
mod replication;

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Flavour,
    template::{PASSWORD, Template},
    wire,
};
use crate::{Result, account::Account, port::Port, server::ServerSlot, wait};

/// The database that clients use unless they name another one.
const DATABASE: &str = "shop";

/// One server. A cheap clone of a handle: all clones are the same server.
///
/// All methods block the calling thread; see the [crate's page](crate#blocking).
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    name: String,
    /// Which one it is in its cluster, from 1: the server's own id.
    number: u32,
    /// The node's own folder: data, socket, logs.
    folder: PathBuf,
    port: Port,
    account: Account,
    template: Template,
    server: ServerSlot,
    /// Options of the next start.
    settings: Mutex<BTreeMap<String, String>>,
    /// How many bytes of the server's log of statements were there when counting began.
    counted_from: Mutex<u64>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = self.flavour();
        write!(f, "{flavour:?}({} at {})", self.0.name, self.addr())
    }
}

impl Node {
    /// Copies the template into a new folder; the server is not started yet.
    pub(super) fn create(
        number: u32,
        folder: PathBuf,
        account: Account,
        template: Template,
    ) -> Result<Self> {
        account.folder(&folder)?;
        template.copy_to(&folder.join("data"), &account)?;
        Ok(Self(Arc::new(Inner {
            name: format!("m{number}"),
            number,
            folder,
            port: Port::reserve()?,
            account,
            template,
            server: ServerSlot::default(),
            settings: Mutex::default(),
            counted_from: Mutex::new(0),
        })))
    }

    /// Which server it is.
    #[must_use]
    pub fn flavour(&self) -> Flavour {
        self.0.template.flavour
    }

    /// `m1`, `m2`, ….
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The server's own id: the second part of what it writes as a GTID.
    #[must_use]
    pub fn server_id(&self) -> u32 {
        self.0.number
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

    /// The URL of the database `shop` for the user `app`, whom `read_only` binds.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.addr(), DATABASE)
    }

    /// The URL of one database for `app`.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        self.url_at(self.addr(), database)
    }

    /// The URL of one database at another address: a [`Forwarder`](crate::Forwarder) in front of this node.
    #[must_use]
    pub fn url_at(&self, addr: SocketAddr, database: &str) -> String {
        format!("mysql://app:{PASSWORD}@{addr}/{database}")
    }

    /// The URL of one database for another user of the template: `boss`, who may do everything, or `eye`, who may ask how
    /// replication stands.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}:{PASSWORD}@{}/{database}", self.addr())
    }

    /// Runs statements, separated by semicolons, in the database `shop`, as an administrator. Rows come one a line, columns
    /// separated by `|`, NULL as nothing. They are not among what is counted.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in(DATABASE, sql)
    }

    /// Runs statements in one database; see [`sql`](Self::sql).
    pub fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        let rows = self.rows(database, sql)?;
        let line = |row: wire::Row| {
            let values: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            values.join("|")
        };
        Ok(rows.into_iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Makes a new, empty database; replicas have it when they have caught up.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.ask(&format!("create database `{name}`")).map(drop)
    }

    /// Everything the server has logged since it was made.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read(self.0.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn rows(&self, database: &str, sql: &str) -> Result<Vec<wire::Row>> {
        wire::query(&self.0.folder.join("socket"), database, sql)
    }

    /// One value, whatever the databases are.
    fn ask(&self, sql: &str) -> Result<String> {
        self.sql_in("mysql", sql)
    }

    /// Waits for a condition, with this server's log in the error.
    fn wait_for<T>(&self, what: &str, ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        wait::until(self.name(), what, || self.log_tail(), ready)
    }

    fn settings(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0
            .settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
