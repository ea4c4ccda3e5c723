//! Throwing away the idle connections of a pool that the other side has closed, and what tells its sockets (rule T9).

#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx::{Connection, Pool, pool::PoolConnection};

#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::ANSWER;
use super::NodePool;
use crate::node::sockets::Listed;

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

    /// What its sockets are known by; nothing where they are no network's.
    pub(in crate::node) fn listed(&self) -> Option<Listed> {
        Some(Listed {
            port: self.port()?,
            size: self.pool_size().map_or(0, |pool| pool.size),
            judged: self.guide().map(|guide| guide.judged()),
        })
    }

    /// The port that its connections lead to; none where they are no network's or nobody tells.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => crate::node::open::port(&pool.connect_options()),
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
