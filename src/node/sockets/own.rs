//! One socket of this process, known again for certain (rule C7).
//!
//! The number of a descriptor goes to the next file as soon as it is closed, and addresses come again. So a socket is known
//! by its ends and its inode, and it is looked at under a second number that nobody else closes before it is ended:
//! under the first one, another thread could put another connection in its place between the look and the end. The
//! system's own copying wants a borrowed descriptor, which safe code cannot make of a number; sent through a pair of
//! sockets it arrives as a new one.

use std::{
    fs,
    io::{IoSlice, IoSliceMut},
    net::{IpAddr, SocketAddr},
    os::{
        fd::{AsRawFd, RawFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::UnixDatagram,
        },
    },
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, Shutdown, SockaddrStorage, getpeername,
        getsockname, recv, recvmsg, sendmsg, shutdown,
    },
    unistd::close,
};

use super::OPEN_FILES;

/// The two ends of a connection over a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) own: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// One socket of this process, known again for certain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    file: RawFd,
    /// None where it is no network's.
    ends: Option<Ends>,
    inode: u64,
}

/// What the first byte of an answer is that nobody else can read.
const ENCRYPTED: u8 = 0x17;

impl Socket {
    /// The socket with these ends, if this process has it.
    pub(crate) fn with(ends: Ends) -> Option<Self> {
        let mut found = super::open_files().filter_map(Self::at);
        found.find(|found| found.ends == Some(ends))
    }

    /// The sockets with nothing unread that lead to this port, or those of the file system.
    pub(crate) fn quiet(port: Option<u16>) -> Vec<Self> {
        let leads_there = |found: &Self| found.ends.map(|ends| ends.peer.port()) == port;
        super::open_files()
            .filter_map(Self::at)
            .filter(|found| leads_there(found) && found.peek(&mut [0]) == 0)
            .collect()
    }

    /// The socket's own end.
    pub(crate) fn own(&self) -> Option<SocketAddr> {
        self.ends.map(|ends| ends.own)
    }

    /// Whether what is unread in it is the answer with this mark; of an encrypted one, whether it can be.
    pub(crate) fn holds(&self, mark: &str, own: Option<SocketAddr>) -> bool {
        let mut unread = [0; 1024];
        let len = self.peek(&mut unread);
        let unread = &unread[..len];
        let plain = unread
            .windows(mark.len())
            .any(|part| part == mark.as_bytes());
        let hidden = unread.first() == Some(&ENCRYPTED) && own.is_some() && own == self.own();
        plain || hidden
    }

    /// Looks at what is unread without taking it.
    fn peek(&self, unread: &mut [u8]) -> usize {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.file, unread, flags).unwrap_or(0)
    }

    /// Whether the socket is open still.
    pub(crate) fn is_open(&self) -> bool {
        self.is_at(self.file)
    }

    /// Ends it both ways, at once: nothing more is sent on it, and whoever waits for an answer hears that it is over. Its
    /// descriptor stays its owner's. Whether it was there.
    pub(crate) fn end(&self) -> bool {
        // Before it is copied: to close a copy of another file would lift that file's locks.
        if !self.is_open() {
            return false;
        }
        let Ok(copy) = Copy::of(self.file) else {
            return false;
        };
        self.is_at(copy.0) && shutdown(copy.0, Shutdown::Both).is_ok()
    }

    fn is_at(&self, file: RawFd) -> bool {
        Self::at(file).is_some_and(|found| (found.ends, found.inode) == (self.ends, self.inode))
    }

    fn at(file: RawFd) -> Option<Self> {
        let (own, peer) = (getsockname(file).ok()?, getpeername(file).ok()?);
        let (own, peer) = (addr(&own), addr(&peer));
        let found = fs::metadata(format!("{OPEN_FILES}/{file}")).ok()?;
        found.file_type().is_socket().then(|| Self {
            file,
            ends: own.zip(peer).map(|(own, peer)| Ends { own, peer }),
            inode: found.ino(),
        })
    }
}

/// An end, as everybody writes it who sees it: an address of version 4 is one, also on a socket of version 6.
fn addr(end: &SockaddrStorage) -> Option<SocketAddr> {
    let four = end
        .as_sockaddr_in()
        .map(|end| (IpAddr::V4(end.ip()), end.port()));
    let six = || {
        let end = end.as_sockaddr_in6()?;
        Some((IpAddr::V6(end.ip()), end.port()))
    };
    let (ip, port) = four.or_else(six)?;
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// A descriptor of our own for what another one stands for.
struct Copy(RawFd);

impl Copy {
    fn of(file: RawFd) -> Result<Self, Errno> {
        let (to, from) = UnixDatagram::pair().map_err(|_| Errno::EMFILE)?;
        let text = [IoSlice::new(&[0])];
        let files = [file];
        let sent = [ControlMessage::ScmRights(&files)];
        sendmsg::<()>(to.as_raw_fd(), &text, &sent, MsgFlags::empty(), None)?;
        let (mut text, mut space) = ([0], cmsg_space!(RawFd));
        let mut text = [IoSliceMut::new(&mut text)];
        let got = recvmsg::<()>(from.as_raw_fd(), &mut text, Some(&mut space), FOR_US)?;
        got.cmsgs()?
            .find_map(|message| match message {
                ControlMessageOwned::ScmRights(files) => files.first().copied().map(Self),
                _ => None,
            })
            .ok_or(Errno::EBADF)
    }
}

/// No program that is started meanwhile inherits it, where the system can see to that.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FOR_US: MsgFlags = MsgFlags::MSG_CMSG_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FOR_US: MsgFlags = MsgFlags::empty();

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = close(self.0);
    }
}
