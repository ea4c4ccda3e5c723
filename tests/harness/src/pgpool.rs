//! A Pgpool-II in front of a primary and its standbys, which balances reads over the standbys or sends everything to the
//! primary.
//!
//! Needs Debian's package `pgpool2`.

use std::net::SocketAddr;

use crate::{Node, Result, between::Between, port::Port};

const INSTALL: &str = "apt-get install -y --no-install-recommends pgpool2";

/// See the module. Dropping it ends the program.
#[derive(Debug)]
pub struct Pgpool {
    between: Between,
    /// Of its own console, which nobody uses.
    console: Port,
}

impl Pgpool {
    /// Starts one before these servers, the primary first. Where it balances, all that it takes for a read goes to a standby.
    pub fn over(nodes: &[Node], balances: bool) -> Result<Self> {
        let mut pool = Self {
            between: Between::new("pgpool", INSTALL)?,
            console: Port::reserve()?,
        };
        let servers: Vec<_> = nodes.iter().map(Node::addr).collect();
        let users = pool.between.write("users.conf", "")?;
        let settings = pool.settings(&servers, balances);
        let path = pool.between.write("pgpool.conf", &settings)?;
        let (path, users) = (path.display().to_string(), users.display().to_string());
        let arguments = ["-n", "-f", &path, "-F", &users, "-a", &users];
        pool.between.start(&arguments)?;
        Ok(pool)
    }

    fn settings(&self, servers: &[SocketAddr], balances: bool) -> String {
        let folder = self.between.folder().display().to_string();
        let listed = servers.iter().enumerate().map(|(n, addr)| {
            let weight = u8::from(n > 0);
            format!(
                "backend_hostname{n} = '{}'\nbackend_port{n} = {}\nbackend_weight{n} = {weight}\n\
                 backend_flag{n} = 'ALLOW_TO_FAILOVER'\n",
                addr.ip(),
                addr.port(),
            )
        });
        let mode = if balances { "on" } else { "off" };
        format!(
            "backend_clustering_mode = 'streaming_replication'\nlisten_addresses = '{}'\nport = {}\npcp_port = {}\n\
             socket_dir = '{folder}'\npcp_socket_dir = '{folder}'\nwd_ipc_socket_dir = '{folder}'\n\
             pid_file_name = '{folder}/pgpool.pid'\nlogdir = '{folder}'\nmemqcache_oiddir = '{folder}'\n\
             num_init_children = 40\nmax_pool = 1\nmemqcache_total_size = '1MB'\nload_balance_mode = {mode}\nenable_pool_hba = off\n\
             sr_check_period = 1\nsr_check_user = 'postgres'\nsr_check_database = 'postgres'\n{}",
            self.addr().ip(),
            self.addr().port(),
            self.console.number(),
            listed.collect::<String>(),
        )
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
}
