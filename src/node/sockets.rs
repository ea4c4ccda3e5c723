//! A look at a pool's sockets before something is sent: whether the other side has closed one meanwhile (rule T9).
//!
//! A pooler, a balancer or a service between that restarts closes idle connections, and the end lies in the socket
//! before a byte is sent. Sent all the same, a write comes back as one of which nobody knows. The driver looks by a
//! round trip only, and shows neither its socket nor which one a connection has. So the sockets to the node's port are
//! found among the process's, and looked at without taking anything out of them: a few hundred nanoseconds for each,
//! once a millisecond at the most. What is found makes the pool ask its idle connections, which nothing else does.

#[cfg_attr(
    not(feature = "postgres"),
    allow(unused_imports, reason = "only PostgreSQL tells them")
)]
pub(crate) use self::own::{Ends, Socket};
pub(crate) use self::{listed::Listed, look::Sockets};

mod listed;
#[cfg_attr(not(unix), path = "sockets/no_look.rs")]
mod look;
#[cfg_attr(not(unix), path = "sockets/no_own.rs")]
mod own;

/// Where the system lists the files that a process has open.
#[cfg(unix)]
const OPEN_FILES: &str = "/dev/fd";

/// The descriptors of this process.
#[cfg(unix)]
fn open_files() -> impl Iterator<Item = std::os::fd::RawFd> {
    let files = std::fs::read_dir(OPEN_FILES).into_iter().flatten();
    files.filter_map(|file| file.ok()?.file_name().to_str()?.parse().ok())
}
