//! When the sockets of a pool are looked at, and which they are.
//!
//! A socket that was reset has forgotten its other end, and a list that is made then lacks it. So a new connection is put
//! into the list as soon as its server has answered for the first time, before anybody uses it, and what is in the list
//! is looked at before it is made anew.

use std::{
    os::fd::RawFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockaddrStorage, getpeername, recv},
};

use super::{listed::Listed, open_files};

/// What a server that ends a session says before it closes: a message of PostgreSQL's, an alert of TLS.
const LAST_WORDS: [u8; 2] = [b'E', 0x15];

/// Between two looks: what ends meanwhile is found by the next one.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long a list of sockets is believed while no connection was opened. A number of connections that stands does not
/// tell: one counts from before it has a socket, so a list made meanwhile lacked it for all of this time.
const LIST_FOR: Duration = Duration::from_secs(1);

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
    of: Option<(Listed, Instant)>,
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
    pub(crate) fn may_have_ended(
        &self,
        surely: bool,
        listed: impl FnOnce() -> Option<Listed>,
    ) -> bool {
        let now = Instant::now();
        let since = u64::try_from(now.duration_since(self.began).as_micros());
        let since = since.unwrap_or(u64::MAX).max(1);
        let looked = self.looked.load(Ordering::Relaxed);
        let pause = u64::try_from(LOOK_EVERY.as_micros()).unwrap_or(u64::MAX);
        if !surely && looked != 0 && since.saturating_sub(looked) < pause {
            return false;
        }
        // Before the list is made: what is opened meanwhile makes another one.
        let Some(now_listed) = listed() else {
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
        // Told once: whoever holds one that has ended will learn it by itself.
        let mut found = list.drop_ended();
        let fits =
            |(of, at): (Listed, Instant)| of == now_listed && now.duration_since(at) < LIST_FOR;
        if !list.of.is_some_and(fits) {
            list.files = to_port(now_listed.port);
            list.of = Some((now_listed, now)).filter(|_| now_listed.has_all(list.files.len()));
            found |= list.drop_ended();
        }
        if found {
            // Another connection takes its place, and the pool is as large as before.
            list.of = None;
        }
        found
    }

    /// A connection to this port was opened, and its server has answered.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only PostgreSQL's tell it")
    )]
    pub(crate) fn opened(&self, port: Option<u16>) {
        let Some(port) = port else {
            return;
        };
        let all = to_port(port);
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let new = all.into_iter().filter(|file| !list.files.contains(file));
        let new: Vec<_> = new.collect();
        list.files.extend(new);
    }
}

impl SocketList {
    /// Drops those that the other side has ended; whether there were any.
    fn drop_ended(&mut self) -> bool {
        let before = self.files.len();
        self.files.retain(|file| !has_ended(*file));
        self.files.len() < before
    }
}

/// The sockets of this process that lead to this port.
fn to_port(port: u16) -> Vec<RawFd> {
    open_files()
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
