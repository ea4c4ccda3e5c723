//! What stands between a new connection and its server, looked at before anybody uses the connection (rules I8, I9).
//!
//! Where the server sees the ends of our own socket, nothing does. Else it is looked at once for each way in which it shows
//! itself there, so that a pooler that is put between while the application runs is known before the first statement meets
//! it: the monitor comes seconds later, and an error shows only what failed.

use sea_orm::sqlx::{self, PgConnection};

use super::{
    asking,
    door::{Guide, Hello, Stranger},
    pgpool,
    seen::Seen,
    sharing::Looker,
};
use crate::config::{Config, NodeConfig, Sharing};

/// Asks a server how a connection shows itself there.
const SEEN: &str = "SELECT pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
     pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port(), \
     pg_catalog.current_setting('extra_float_digits', true)";

/// Looks where that was not done for what shows itself so. One that sends a connection's statements to several servers is
/// refused.
async fn look_where_unknown(
    seen: &Seen,
    sharing: &Sharing,
    looker: &Looker,
) -> Result<(), sqlx::Error> {
    let place = seen.place();
    if seen.is_direct() || sharing.is_known_from(&place) {
        return Ok(());
    }
    let looked = sharing
        .look_from(&place, async || looker.look().await)
        .await;
    looked.map_err(Stranger::refused)
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
        look_where_unknown(seen, sharing, looker).await?;
        // Two transactions may meet two servers behind a pooler that shares them.
        if let (false, Some(replay)) = (sharing.is_shared(), &hello.replay)
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
    look_where_unknown(&seen, &sharing, &Looker::new(config, node)).await
}
