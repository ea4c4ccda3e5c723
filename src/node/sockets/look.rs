//! When the sockets of a pool are looked at, and which they are.
//!
//! A socket that was reset has forgotten its other end, and a list that is made then lacks it. So a new connection is put
//! into the list as soon as its server has answered for the first time, before anybody uses it, and what is in the list
//! is looked at before it is made anew.

use std::{
    os::fd::RawFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
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

/// How long a socket that has ended and is still open may be one that comes back to its pool. Whoever holds one for longer
/// has it in a transaction, or is another pool to the same port.
const COMES_BACK: Duration = Duration::from_secs(10);

/// The sockets of one pool.
#[derive(Debug)]
pub(crate) struct Sockets {
    began: Instant,
    /// When they were looked at, in microseconds after that; 0 before the first time.
    looked: AtomicU64,
    list: Mutex<SocketList>,
    /// The list has some that have ended and were open when somebody last looked.
    any_ended: AtomicBool,
}

#[derive(Debug, Default)]
struct SocketList {
    files: Vec<RawFd>,
    /// Sockets that have ended, and when that was seen.
    ended: Vec<(RawFd, Instant)>,
    /// What the pool had when it was made, and when that was.
    of: Option<(Listed, Instant)>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            looked: AtomicU64::new(0),
            list: Mutex::default(),
            any_ended: AtomicBool::new(false),
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
        let mut found = list.drop_ended(now);
        let fits =
            |(of, at): (Listed, Instant)| of == now_listed && now.duration_since(at) < LIST_FOR;
        if !list.of.is_some_and(fits) {
            list.files = to_port(now_listed.port);
            list.of = Some((now_listed, now)).filter(|_| now_listed.has_all(list.files.len()));
            found |= list.drop_ended(now);
        }
        if found {
            self.any_ended.store(true, Ordering::Release);
            // Another connection takes its place, and the pool is as large as before.
            list.of = None;
        }
        found
    }

    /// Whether a connection may be one that was found to have ended: one is still open, and not idle as the others were
    /// asked. It was answered before that end, and came back to its pool after it.
    pub(crate) fn has_open_ended(&self) -> bool {
        if !self.any_ended.load(Ordering::Acquire) {
            return false;
        }
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.ended.retain(|(file, _)| has_ended(*file));
        self.any_ended
            .store(!list.ended.is_empty(), Ordering::Release);
        // Those that are older stay known, or the next list would find them anew.
        list.ended
            .iter()
            .any(|(_, seen)| seen.elapsed() < COMES_BACK)
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
    fn drop_ended(&mut self, now: Instant) -> bool {
        let ended: Vec<_> = self.files.extract_if(.., |file| has_ended(*file)).collect();
        // One that was closed and not reset still has its other end, and is found again with the next list.
        for file in &ended {
            if !self.ended.iter().any(|(known, _)| known == file) {
                self.ended.push((*file, now));
            }
        }
        !ended.is_empty()
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
