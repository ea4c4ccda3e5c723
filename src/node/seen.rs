//! What a server sees of a connection: whether something stands between is told by that (rules I8, I9).

use std::net::{IpAddr, SocketAddr};

use sea_orm::sqlx::{Row, postgres::PgRow};

use super::sockets::{Ends, Socket};
use crate::config::Place;

/// How a connection shows itself at its server.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) ends: Option<Ends>,
    digits: String,
}

impl Seen {
    /// What an answer says of it, from this column on; nothing where it was not asked.
    pub(crate) fn of(row: &PgRow, at: usize) -> Option<Self> {
        let end = |at: usize| {
            let addr: IpAddr = row.try_get::<&str, _>(at).ok()?.parse().ok()?;
            let port = u16::try_from(row.try_get::<i32, _>(at + 1).ok()?).ok()?;
            Some(SocketAddr::new(addr.to_canonical(), port))
        };
        let ends = end(at).zip(end(at + 2));
        Some(Self {
            ends: ends.map(|(own, peer)| Ends { own, peer }),
            digits: row.try_get(at + 4).ok()?,
        })
    }

    /// Whether nothing stands between: the server sees the ends of our own socket.
    pub(crate) fn is_direct(&self) -> bool {
        self.ends.and_then(Socket::with).is_some()
    }

    pub(crate) fn server(&self) -> Option<SocketAddr> {
        self.ends.map(|ends| ends.peer)
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            client: self.ends.map(|ends| ends.own.ip()),
            digits: self.digits.clone(),
        }
    }
}
