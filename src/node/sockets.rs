//! A look at a pool's sockets before something is sent: whether the other side has closed one meanwhile (rule T9).
//!
//! A pooler, a balancer or a service between that restarts closes idle connections, and the end lies in the socket
//! before a byte is sent. Sent all the same, a write comes back as one of which nobody knows. The driver looks by a
//! round trip only, and shows neither its socket nor which one a connection has. So the sockets to the node's port are
//! found among the process's, and looked at without taking anything out of them: a few hundred nanoseconds for each,
//! once a millisecond at the most. What is found makes the pool ask its idle connections, which nothing else does.

pub(crate) use self::look::{Listed, Sockets};
#[cfg_attr(
    not(feature = "postgres"),
    allow(unused_imports, reason = "only PostgreSQL tells them")
)]
pub(crate) use self::own::{Ends, Socket};

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

#[cfg(unix)]
mod look;
#[cfg(not(unix))]
mod look {
    /// What the sockets of a pool are known by.
    #[derive(Debug)]
    pub(crate) struct Listed {
        pub(crate) port: u16,
        pub(crate) size: u32,
        pub(crate) judged: Option<u64>,
    }

    /// The sockets of one pool; nobody can look at them here.
    #[derive(Debug, Default)]
    pub(crate) struct Sockets;

    impl Sockets {
        /// Whether the other side may have closed a connection of the pool.
        pub(crate) fn may_have_ended(&self, _: bool, _: impl FnOnce() -> Option<Listed>) -> bool {
            false
        }

        /// A connection to this port was opened.
        #[cfg_attr(
            not(feature = "postgres"),
            allow(dead_code, reason = "only PostgreSQL's tell it")
        )]
        pub(crate) fn opened(&self, _: Option<u16>) {}
    }
}
