//! A port that belongs to one node for as long as the node exists, also while it is down.
//!
//! The ports lie below the range from which the kernel serves outgoing connections. A port of that range was rejected: while the
//! node is down, somebody's outgoing connection may take it, and a client that keeps trying it may even be connected to itself.
//! A locked file per port keeps parallel test processes apart; the lock ends with its process.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use crate::{Result, account, error::Attempt};

const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    pub(crate) fn reserve() -> Result<Self> {
        let folder = account::cache()?.join("ports");
        std::fs::create_dir_all(&folder).attempt(|| format!("creating {}", folder.display()))?;
        let start = RandomState::new().hash_one(0_u8);
        let mut last = None;
        for step in 0..u64::from(COUNT) {
            let number = FIRST
                + u16::try_from((start % u64::from(COUNT) + step) % u64::from(COUNT)).unwrap_or(0);
            let path = folder.join(number.to_string());
            let lock = File::create(&path).attempt(|| format!("creating {}", path.display()))?;
            if lock.try_lock().is_err() {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
                Ok(_) => {
                    return Ok(Self {
                        number,
                        _lock: lock,
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| std::io::Error::other("all are taken")))
            .attempt(|| "finding a free port".to_owned())
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}
