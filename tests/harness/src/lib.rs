//! Real PostgreSQL and MariaDB servers for tests: started in one line, promoted, killed, frozen, lagged and cut off.
//!
//! [`TestCluster`] is for the tests of an application: a primary and a standby with the faults that such tests stage.
//!
//! ```no_run
//! # fn main() -> sealane_harness::Result<()> {
//! let servers = sealane_harness::TestCluster::start()?;
//! println!("{} {}", servers.primary_url(), servers.replica_url());
//! servers.lag(std::time::Duration::MAX)?; // from here on the standby is stale
//! servers.fail_over()?;
//! # Ok(())
//! # }
//! ```
//!
//! A server is found in the folder that `SEALANETEST_PG_BIN` names, in the distribution's folders (highest version first), in
//! `PATH`, or where Homebrew has it. Where there is none, the error has the command that installs one. The crate knows nothing of
//! any driver, and runs on Linux and macOS.
//!
//! [`Cluster`] below it has any number of standbys, and everything that sealane's own tests need. Every server listens on 127.0.0.1 only, in a folder of its own that is removed with it: when the [`Cluster`] is dropped, after
//! a panic, and also when the test process itself is killed (see [below](self#cleaning-up)). Tests may run in parallel, in one
//! process and in several: a port belongs to one node for as long as that node exists, also while it is down.
//!
//! ```no_run
//! # fn main() -> sealane_harness::Result<()> {
//! let cluster = sealane_harness::Cluster::builder().standbys(2).start()?;
//! cluster.primary().sql("create table t (i int)")?;
//! cluster.standby(0).wait_caught_up_with(cluster.primary())?;
//! cluster.primary().kill()?;
//! cluster.standby(0).promote()?;
//! cluster.standby(1).repoint(cluster.standby(0))?;
//! cluster.primary().rewind_to(cluster.standby(0))?;
//! # Ok(())
//! # }
//! ```
//!
//! MariaDB servers stand in [`mariadb`], with what is general shared.
//!
//! # Blocking
//!
//! Everything here blocks the calling thread and needs no async runtime; calls take milliseconds, a start about a quarter of a
//! second. [`Node`] is a cheap clone, so a test that must not block a worker moves one into `tokio::task::spawn_blocking`.
//! [`Forwarder`] runs on a thread of its own: it goes on while a test blocks, and a paused tokio clock does not stop it.
//!
//! A cluster may be kept in a `static` for all tests of a binary: it is then never dropped, and goes as told below.
//!
//! # Variables
//!
//! `SEALANETEST_PG_BIN` names the folder of PostgreSQL's programs, `SEALANETEST_DIR` the folder in which the clusters' own are
//! made (otherwise memory, where there is room, or the system's temporary folder). `SEALANETEST_LONG`, which `tests/run --long`
//! sets, asks tests for their loops at full length: see [`long_form`].
//!
//! # Cleaning up
//!
//! A shell waits beside every cluster for the end of a pipe that only this process holds. However this process ends, the pipe
//! ends too, and the shell kills what runs in the cluster's folder and removes it. `PR_SET_PDEATHSIG` was rejected: it fires when
//! the *thread* that spawned the server ends, needs `unsafe`, cannot remove folders, and exists on Linux only.

mod account;
mod authority;
mod between;
mod binaries;
mod cluster;
mod dns;
mod error;
mod forwarder;
mod guardian;
mod haproxy;
pub mod mariadb;
mod node;
mod patroni;
mod pgbouncer;
mod pgpool;
mod port;
mod process;
mod program;
mod server;
mod template;
mod test_cluster;
mod wait;
mod wire;

pub use authority::{Authority, Certified};
pub use cluster::{Builder, Cluster};
pub use dns::Dns;
pub use error::{Error, Result};
pub use forwarder::Forwarder;
pub use haproxy::HaProxy;
pub use node::{Counters, Node, StatementCount, Stop, TlsClients};
pub use patroni::{Member, Patroni};
pub use pgbouncer::{PgBouncer, PoolMode, StartUpOptions};
pub use pgpool::Pgpool;
pub use test_cluster::{TestCluster, TestDatabase};

/// Whether loops and storms shall run at full length: `tests/run --long`.
#[must_use]
pub fn long_form() -> bool {
    std::env::var_os("SEALANETEST_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
