//! What stands between a new connection and its server, looked at before anybody uses the connection (rules I8, I9).
//!
//! Where the server sees the ends of our own socket, nothing does. Else it is looked at once for each way in which it shows
//! itself there, so that a pooler that is put between while the application runs is known before the first statement meets
//! it: the monitor comes seconds later, and an error shows only what failed.

use std::net::{IpAddr, SocketAddr};

use sea_orm::sqlx::{self, PgConnection, Row, postgres::PgRow};

use super::{
    asking,
    door::{Guide, Hello, Stranger},
    pgpool,
    sharing::Looker,
    sockets::{Ends, Socket},
};
use crate::config::{Config, NodeConfig, Place, Sharing};

/// Asks a server how a connection shows itself there.
const SEEN: &str = "SELECT pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
     pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), \
     pg_catalog.current_setting('extra_float_digits', true)";

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

    /// Looks where that was not done for what shows itself so. One that sends a connection's statements to several servers is
    /// refused.
    pub(crate) async fn look(&self, sharing: &Sharing, looker: &Looker) -> Result<(), Stranger> {
        let place = self.place();
        if self.is_direct() || sharing.is_known_from(&place) {
            return Ok(());
        }
        sharing
            .look_from(&place, async || looker.look().await)
            .await
    }
}

impl Guide {
    /// Looks at what a new connection's first answer shows between.
    pub(super) async fn look_between(
        &self,
        conn: &mut PgConnection,
        hello: &Hello,
    ) -> Result<(), sqlx::Error> {
        let (Some((sharing, looker)), Some(seen)) = (self.looks(), &hello.seen) else {
            return Ok(());
        };
        if seen.is_direct() {
            return Ok(());
        }
        seen.look(sharing, looker).await.map_err(refused)?;
        // Two transactions may meet two servers behind a pooler that shares them.
        if let (false, Some(replay)) = (sharing.is_shared(), hello.replay)
            && pgpool::reads_from(conn).await? != replay.server
        {
            pgpool::refuse(conn).await?;
        }
        Ok(())
    }
}

/// Looks at what stands before this connection of our own, beside the pools.
pub(crate) async fn look(
    config: &Config,
    node: &NodeConfig,
    conn: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let row = asking::row(conn, SEEN).await?;
    let Some(seen) = Seen::of(&row, 0) else {
        return Ok(());
    };
    let sharing = config.found.sharing(node.url.without_password());
    let looked = seen.look(&sharing, &Looker::new(config, node)).await;
    looked.map_err(refused)
}

/// The driver's error for a connection that is not to be used.
pub(crate) fn refused(stranger: Stranger) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(stranger))
}
