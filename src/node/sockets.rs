//! A look at a pool's sockets before something is sent: whether the other side has closed one meanwhile (rule T9).
//!
//! A pooler, a balancer or a service between that restarts closes idle connections, and the end lies in the socket
//! before a byte is sent. Sent all the same, a write comes back as one of which nobody knows. The driver looks by a
//! round trip only, and shows neither its socket nor which one a connection has. So the sockets to the node's port are
//! found among the process's, and looked at without taking anything out of them: a few hundred nanoseconds for each,
//! once a millisecond at the most. What is found makes the pool ask its idle connections, which nothing else does.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx::{Connection, Pool, pool::PoolConnection};

use super::NodePool;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::link::ANSWER;

impl NodePool {
    /// Throws those idle connections away that the other side has closed.
    pub(crate) async fn weed(&self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => weed(pool).await,
            #[cfg(feature = "mysql")]
            Self::MySql(pool, ..) => weed(pool).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => {}
            Self::Adopted(_) | Self::PendingPool(_) => {}
        }
    }

    /// The port that its connections lead to; none where they are no network's or nobody tells.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => super::open::port(&pool.connect_options()),
            #[cfg(feature = "mysql")]
            Self::MySql(pool, ..) => Some(pool.connect_options().get_port()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => None,
            Self::Adopted(_) | Self::PendingPool(_) => None,
        }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn weed<DB: sea_orm::sqlx::Database>(pool: &Pool<DB>) {
    let idle = std::iter::from_fn(|| pool.try_acquire());
    let asked = idle.map(|mut conn: PoolConnection<DB>| async move {
        let answered = tokio::time::timeout(ANSWER, conn.ping()).await;
        if !matches!(answered, Ok(Ok(()))) {
            drop(conn.detach());
        }
    });
    futures_util::future::join_all(asked.collect::<Vec<_>>()).await;
}

pub(crate) use self::look::Sockets;
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
mod look {
    use std::{
        os::fd::RawFd,
        sync::{
            Mutex,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, Instant},
    };

    use nix::{
        errno::Errno,
        sys::socket::{MsgFlags, SockaddrStorage, getpeername, recv},
    };

    use crate::node::NodePool;

    /// Between two looks: what ends meanwhile is found by the next one.
    const LOOK_EVERY: Duration = Duration::from_millis(1);

    /// How long a list of sockets is believed while no connection was opened. A number of connections that stands does not
    /// tell: one counts from before it has a socket, so a list made meanwhile lacked it for all of this time.
    const LIST_FOR: Duration = Duration::from_secs(1);

    /// What a server that ends a session says before it closes: a message of PostgreSQL's, an alert of TLS.
    const LAST_WORDS: [u8; 2] = [b'E', 0x15];

    /// The sockets of one pool.
    #[derive(Debug)]
    pub(crate) struct Sockets {
        began: Instant,
        /// When they were looked at, in microseconds after that; 0 before the first time.
        looked: AtomicU64,
        list: Mutex<SocketList>,
    }

    #[derive(Debug, Default)]
    struct SocketList {
        files: Vec<RawFd>,
        /// What the pool had when it was made, and when that was.
        of: Option<(Opened, Instant)>,
    }

    /// What tells whether a pool has opened a connection meanwhile.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Opened {
        /// How many connections there are or will be soon.
        size: u32,
        /// How many were asked so far whose server they lead to; none are asked where the driver cannot.
        judged: Option<u64>,
    }

    impl Opened {
        fn by(link: &NodePool) -> Self {
            Self {
                size: link.pool_size().map_or(0, |pool| pool.size),
                judged: link.guide().map(|guide| guide.judged()),
            }
        }

        /// Whether a list of so many sockets has one for each connection, as far as that can be told.
        fn has_all(self, sockets: usize) -> bool {
            self.judged.is_some() || usize::try_from(self.size).is_ok_and(|size| size <= sockets)
        }
    }

    impl Default for Sockets {
        fn default() -> Self {
            Self {
                began: Instant::now(),
                looked: AtomicU64::new(0),
                list: Mutex::default(),
            }
        }
    }

    impl Sockets {
        /// Whether the other side may have closed a connection of the pool. Another node's at the same port counts as
        /// well; that costs the idle ones a question.
        /// `surely`: also where they were looked at a moment ago.
        pub(crate) fn may_have_ended(&self, link: &NodePool, surely: bool) -> bool {
            let now = Instant::now();
            let since = u64::try_from(now.duration_since(self.began).as_micros());
            let since = since.unwrap_or(u64::MAX).max(1);
            let looked = self.looked.load(Ordering::Relaxed);
            let pause = u64::try_from(LOOK_EVERY.as_micros()).unwrap_or(u64::MAX);
            if !surely && looked != 0 && since.saturating_sub(looked) < pause {
                return false;
            }
            let Some(port) = link.port() else {
                return false;
            };
            let list = match surely {
                true => self.list.lock().ok(),
                // Somebody else is looking.
                false => self.list.try_lock().ok(),
            };
            let Some(mut list) = list else {
                return false;
            };
            self.looked.store(since, Ordering::Relaxed);
            // Before the list is made: what is opened meanwhile makes another one.
            let opened = Opened::by(link);
            let fits =
                |(of, at): (Opened, Instant)| of == opened && now.duration_since(at) < LIST_FOR;
            if !list.of.is_some_and(fits) {
                list.files = to_port(port);
                list.of = Some((opened, now)).filter(|_| opened.has_all(list.files.len()));
            }
            let before = list.files.len();
            // Told once: whoever holds one that has ended will learn it by itself.
            list.files.retain(|file| !has_ended(*file));
            let found = list.files.len() < before;
            if found {
                // Another connection takes its place, and the pool is as large as before.
                list.of = None;
            }
            found
        }
    }

    /// The sockets of this process that lead to this port.
    fn to_port(port: u16) -> Vec<RawFd> {
        super::open_files()
            .filter(|file| peer(*file) == Some(port))
            .collect()
    }

    fn peer(file: RawFd) -> Option<u16> {
        let peer = getpeername::<SockaddrStorage>(file).ok()?;
        let four = peer.as_sockaddr_in().map(|addr| addr.port());
        four.or_else(|| peer.as_sockaddr_in6().map(|addr| addr.port()))
    }

    /// Nothing is taken out: the driver finds what it would have found.
    fn has_ended(file: RawFd) -> bool {
        let mut first = [0];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(file, &mut first, flags) {
            Ok(0) => true,
            Ok(_) => LAST_WORDS.contains(&first[0]),
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            // Closed by ourselves meanwhile, or another file by now: the next list has it or has it not.
            Err(Errno::EBADF | Errno::ENOTSOCK) => false,
            Err(_) => true,
        }
    }
}

#[cfg(not(unix))]
mod look {
    use crate::node::NodePool;

    /// The sockets of one pool; nobody can look at them here.
    #[derive(Debug, Default)]
    pub(crate) struct Sockets;

    impl Sockets {
        /// Whether the other side may have closed a connection of the pool.
        pub(crate) fn may_have_ended(&self, _: &NodePool, _: bool) -> bool {
            false
        }
    }
}
