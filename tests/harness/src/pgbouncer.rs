//! A PgBouncer in front of one server, in the mode that a test wants.
//!
//! Needs Debian's package `pgbouncer`. Behind it the server sees connections of PgBouncer's own, each of which it gives to one
//! client for a session or, in transaction mode, to another one after each transaction.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use crate::{Node, Result, between::Between, error::Attempt, program};

const INSTALL: &str = "apt-get install -y --no-install-recommends pgbouncer";

/// For how long a client has one of the server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Until it leaves.
    Session,
    /// Until its transaction ends; clients' prepared statements are not told apart.
    Transaction,
    /// Until its transaction ends, and clients' prepared statements are told apart: from 1.21 on.
    Prepared,
}

/// What PgBouncer does with the start-up parameter `options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartUpOptions {
    /// It drops them without a word: `ignore_startup_parameters` names them.
    Dropped,
    /// It refuses the connection, which is its default.
    Refused,
}

/// See the module. Dropping it ends the program.
#[derive(Debug)]
pub struct PgBouncer {
    between: Between,
    mode: PoolMode,
    options: StartUpOptions,
    /// How many connections of the server it has at the most.
    size: u32,
    version: (u32, u32),
}

/// The first version that tells clients' prepared statements apart.
const PREPARES: (u32, u32) = (1, 21);

/// The first version of those tried that hands start-up options on (1.24 does not).
const CARRIES: (u32, u32) = (1, 25);

impl PgBouncer {
    /// Whether the one that is installed tells clients' prepared statements apart where it is set to.
    pub fn tells_prepared_apart() -> Result<bool> {
        Ok(version()? >= PREPARES)
    }

    /// Whether the one that is installed hands start-up options on to its server.
    pub fn carries_options() -> Result<bool> {
        Ok(version()? >= CARRIES)
    }

    /// Starts one before this server, with at most so many connections to it.
    pub fn to(node: &Node, mode: PoolMode, options: StartUpOptions, size: u32) -> Result<Self> {
        let mut bouncer = Self {
            between: Between::new("pgbouncer", INSTALL)?,
            mode,
            options,
            size,
            version: version()?,
        };
        bouncer.point_at(node.addr())?;
        Ok(bouncer)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.between.addr()
    }

    /// A URL of a database behind it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.addr())
    }

    /// Starts it anew before another server: whoever is connected loses that connection.
    pub fn point_at(&mut self, server: SocketAddr) -> Result<()> {
        let path = self.configure(server)?;
        self.between.start(&[&path.display().to_string()])
    }

    /// Writes what leads to another server, and returns its path: `RELOAD` on the console, which is its database
    /// `pgbouncer`, lets whoever is connected be there by the next transaction.
    pub fn configure(&self, server: SocketAddr) -> Result<PathBuf> {
        let users = ["postgres", "reader"].map(|user| format!("\"{user}\" \"\"\n"));
        let users = self.between.write("users.txt", &users.concat())?;
        let mode = match self.mode {
            PoolMode::Session => "session",
            PoolMode::Transaction | PoolMode::Prepared => "transaction",
        };
        let prepared = match (self.version >= PREPARES, self.mode) {
            (false, _) => "",
            (true, PoolMode::Prepared) => "max_prepared_statements = 100\n",
            (true, _) => "max_prepared_statements = 0\n",
        };
        let dropped = match self.options {
            StartUpOptions::Dropped => ",options",
            StartUpOptions::Refused => "",
        };
        let text = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = {mode}\nmax_client_conn = 500\ndefault_pool_size = {}\n\
             ignore_startup_parameters = extra_float_digits{dropped}\nserver_login_retry = 0.1\n\
             admin_users = postgres\nserver_round_robin = 1\n{prepared}",
            server.ip(),
            server.port(),
            self.addr().port(),
            users.display(),
            self.size,
        );
        self.between.write("pgbouncer.ini", &text)
    }

    /// Gives it another mode; `RELOAD` on the console, which is its database `pgbouncer`, lets whoever is connected be in that
    /// from the next transaction on.
    pub fn change_mode(&mut self, mode: PoolMode, server: SocketAddr) -> Result<()> {
        self.mode = mode;
        self.configure(server).map(drop)
    }

    /// Ends it: nobody answers any more.
    pub fn stop(&mut self) {
        self.between.stop();
    }
}

/// What the installed one says that it is.
fn version() -> Result<(u32, u32)> {
    let program = program::find("pgbouncer", INSTALL)?;
    let asked = Command::new(program).arg("--version").output();
    let asked = asked.attempt(|| "asking pgbouncer for its version".to_owned())?;
    let said = String::from_utf8_lossy(&asked.stdout);
    let number = said.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    Ok((parts.next().unwrap_or(0), parts.next().unwrap_or(0)))
}
