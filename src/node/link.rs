//! How statements reach a node: its own pool, or a connection that the application made.
//!
//! The one place where the compiled-in drivers are told apart. A node of our own is a sqlx pool from which leases take
//! connections themselves; the `DatabaseConnection` beside it shares that pool and serves transactions. An adopted
//! node (a mock, a proxy, the application's own pool) is reached through the `DatabaseConnection` that came with it,
//! because its callback and its settings are in there.

mod leased;
mod pool_state;
mod second_pool;
mod weed;

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "mysql")]
use sea_orm::sqlx::MySql;
#[cfg(feature = "postgres")]
use sea_orm::sqlx::Postgres;
#[cfg(feature = "sqlite")]
use sea_orm::sqlx::Sqlite;
use sea_orm::sqlx::{Pool, pool::PoolConnection};
use sea_orm::{ConnAcquireErr, DatabaseConnection, DbErr, sqlx};

#[cfg(feature = "stream")]
pub(crate) use self::leased::Streamed;
pub(crate) use self::{
    pool_state::PoolState,
    second_pool::{Returned, SecondPool},
};
use super::{
    PendingPool, PoolSize,
    adopted::Adopted,
    door::{Guide, Stranger},
};
#[cfg(feature = "postgres")]
use crate::causality::LedTo;
use crate::{error::DbErrKind, node::open::logs_in_again};

/// How long an idle connection may take to answer; the node's monitor has a time-out of its own.
pub(crate) const ANSWER: Duration = Duration::from_secs(1);

/// A node's pool, and the connection through which its transactions begin.
pub(crate) enum NodePool {
    #[cfg(feature = "postgres")]
    Postgres(Pool<Postgres>, DatabaseConnection, Arc<Guide>, PoolState),
    #[cfg(feature = "mysql")]
    MySql(Pool<MySql>, DatabaseConnection, Arc<Guide>, PoolState),
    #[cfg(feature = "sqlite")]
    Sqlite(Pool<Sqlite>, DatabaseConnection, PoolState),
    Adopted(Adopted),
    PendingPool(PendingPool),
}

/// A connection taken for one statement.
pub(crate) enum PooledConnection {
    #[cfg(feature = "postgres")]
    /// With the server that it leads to, where it was asked since it was taken out of the pool.
    Postgres(PoolConnection<Postgres>, Option<LedTo>),
    #[cfg(feature = "mysql")]
    MySql(PoolConnection<MySql>),
    #[cfg(feature = "sqlite")]
    Sqlite(PoolConnection<Sqlite>),
    Adopted(Adopted),
}

/// Writes an expression once for whichever pool it is; the second one where there is none.
macro_rules! with_pool {
    ($link:expr, |$pool:ident| $of_pool:expr, $otherwise:expr) => {
        match $link {
            #[cfg(feature = "postgres")]
            NodePool::Postgres($pool, ..) => $of_pool,
            #[cfg(feature = "mysql")]
            NodePool::MySql($pool, ..) => $of_pool,
            #[cfg(feature = "sqlite")]
            NodePool::Sqlite($pool, ..) => $of_pool,
            NodePool::Adopted(_) | NodePool::PendingPool(_) => $otherwise,
        }
    };
}

impl NodePool {
    /// The connection SeaORM made around this node's pool, or the adopted one.
    pub(crate) fn connection(&self) -> &DatabaseConnection {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_, connection, ..) => connection,
            #[cfg(feature = "mysql")]
            Self::MySql(_, connection, ..) => connection,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_, connection, _) => connection,
            Self::Adopted(own) => &own.connection,
            Self::PendingPool(absent) => &absent.connection,
        }
    }

    /// What stands around its statements in a test.
    #[cfg(all(feature = "testing", feature = "postgres"))]
    pub(crate) fn fence(&self) -> Option<&Arc<super::fence::Fence>> {
        match self {
            Self::Adopted(own) => own.fence.as_ref(),
            _ => None,
        }
    }

    /// Whether there is a pool or a connection at all.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::PendingPool(_) => false,
            Self::Adopted(own) => !matches!(
                own.connection.inner,
                sea_orm::DatabaseConnectionType::Disconnected
            ),
            _ => true,
        }
    }

    /// Takes a connection, waiting for one as long as the pool's own acquire time-out. Nothing is sent by this but
    /// what a new or long idle connection needs.
    pub(crate) async fn acquire(&self) -> Result<PooledConnection, DbErr> {
        self.leads_home()?;
        self.adapt();
        let mut login = self.login();
        loop {
            match self.acquire_once().await {
                Err(err) if logs_in_again(&mut login, &err).await => {}
                done => return done,
            }
        }
    }

    /// Lets a pool behind a pooler in transaction mode keep no prepared statements (rule I8).
    pub(crate) fn adapt(&self) {
        #[cfg(feature = "postgres")]
        if let Self::Postgres(pool, _, guide, _) = self
            && guide.has_to_adapt()
        {
            let options = pool.connect_options().as_ref().clone();
            pool.set_connect_options(options.statement_cache_capacity(0));
            self.sweep();
        }
    }

    /// Whether the next transaction on a connection may be in another process of the server.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.guide().is_some_and(|guide| guide.is_shared())
    }

    /// Whether a statement keeps its connection in a transaction only.
    #[inline]
    pub(crate) fn needs_blocks(&self) -> bool {
        self.guide().is_some_and(|guide| guide.needs_blocks())
    }

    async fn acquire_once(&self) -> Result<PooledConnection, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => pool
                .acquire()
                .await
                .map(|conn| PooledConnection::Postgres(conn, None))
                .map_err(acquire_error),
            #[cfg(feature = "mysql")]
            Self::MySql(pool, ..) => pool
                .acquire()
                .await
                .map(PooledConnection::MySql)
                .map_err(acquire_error),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool, ..) => pool
                .acquire()
                .await
                .map(PooledConnection::Sqlite)
                .map_err(acquire_error),
            Self::Adopted(own) => Ok(PooledConnection::Adopted(own.clone())),
            Self::PendingPool(absent) => absent.acquire().await,
        }
    }

    /// What its connections are shown in by, where they can say whose server they lead to.
    pub(crate) fn guide(&self) -> Option<&Arc<Guide>> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_, _, guide, _) => Some(guide),
            #[cfg(feature = "mysql")]
            Self::MySql(_, _, guide, _) => Some(guide),
            _ => None,
        }
    }

    /// Waits where there is no pool yet, and fails then: another one is in its place.
    pub(crate) async fn present(&self) -> Result<(), DbErr> {
        self.leads_home()?;
        self.adapt();
        match self {
            Self::PendingPool(absent) => absent.acquire().await,
            _ => Ok(()),
        }
    }

    /// Whether there are fewer connections than are to be kept.
    pub(crate) fn lacks(&self, kept: u32) -> bool {
        self.pool_size()
            .is_some_and(|pool| pool.size < kept.min(pool.max))
    }

    /// Opens as many connections as are to be kept; `opened` is called before they can be had. Ends with the first that the
    /// door refuses, and says why: the pool would go on logging in.
    pub(crate) async fn fill(&self, kept: u32, opened: impl Fn()) -> Option<Stranger> {
        let Some(guide) = self.guide() else {
            self.open_kept(kept, opened).await;
            return None;
        };
        let mut refusals = guide.refusals();
        tokio::select! {
            biased;
            () = self.open_kept(kept, opened) => None,
            Ok(()) = refusals.changed() => *refusals.borrow(),
        }
    }

    async fn open_kept(&self, kept: u32, opened: impl Fn()) {
        // In this order: a future that is dropped on the way calls it before the connections can be had.
        let mut held = Vec::new();
        let _opening = self.openings().map(|openings| openings.begin_kept());
        let _opened = at_end(opened);
        while self.lacks(kept) && held.len() < usize::try_from(kept).unwrap_or(usize::MAX) {
            match self.while_open(self.acquire()).await {
                Ok(mut conn) => match conn.greet(self.guide()).await {
                    Ok(()) => held.push(conn),
                    Err(_) => {
                        conn.discard();
                        break;
                    }
                },
                // Whoever needs one will learn why.
                Err(_) => break,
            }
        }
    }

    /// Throws away the idle connections, which may belong to a runtime that has ended. Whether they do cannot be asked:
    /// such a socket can carry a question and an answer, and fail at the next. SQLite's need no runtime.
    pub(crate) fn sweep(&self) {
        if let Some(idle) = self.idle_stack() {
            idle.drain().into_iter().for_each(PooledConnection::discard);
        }
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, ..) => {
                while pool.try_acquire().map(PoolConnection::detach).is_some() {}
            }
            #[cfg(feature = "mysql")]
            Self::MySql(pool, ..) => {
                while pool.try_acquire().map(PoolConnection::detach).is_some() {}
            }
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => {}
            Self::Adopted(_) | Self::PendingPool(_) => {}
        }
    }

    /// Waits for a connection no longer than the pool is open: once the node was found dead there is another pool, and
    /// sqlx would go on connecting for this one until its acquire time-out. Nothing of the caller's may have been sent.
    pub(crate) async fn while_open<T>(
        &self,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let closed = async {
            with_pool!(
                self,
                |pool| pool.close_event().await,
                std::future::pending().await
            );
        };
        tokio::select! {
            biased;
            done = work => done,
            () = closed => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
        }
    }

    /// Size, idle and greatest size of the pool; `None` where the pool is not ours to look into.
    pub(crate) fn pool_size(&self) -> Option<PoolSize> {
        let kept = self.idle_stack().map_or(0, |idle| idle.len());
        with_pool!(
            self,
            |pool| Some(PoolSize::read(
                pool.size(),
                pool.num_idle().saturating_add(kept),
                pool.options().get_max_connections(),
            )),
            None
        )
    }

    /// Whether a connection is likely to be there at once; always where the pool is not ours to look into.
    pub(crate) fn has_idle(&self) -> bool {
        let kept = self.idle_stack().is_some_and(|idle| idle.len() > 0);
        kept || self.pool_has_idle()
    }

    /// Whether the pool itself has an idle one.
    pub(super) fn pool_has_idle(&self) -> bool {
        with_pool!(self, |pool| pool.num_idle() > 0, true)
    }

    /// How many connections there are, with those that are being opened, where whoever takes one of the pool has to open it.
    pub(super) fn grows_from(&self) -> Option<u32> {
        with_pool!(
            self,
            |pool| {
                let (size, most) = (pool.size(), pool.options().get_max_connections());
                (size < most && pool.num_idle() == 0).then_some(size)
            },
            None
        )
    }

    /// Whether the pool was closed; an adopted one is not ours to know.
    pub(crate) fn is_closed(&self) -> bool {
        with_pool!(self, |pool| pool.is_closed(), false)
    }

    /// Closes the pool once everything taken from it has come back. New leases fail at once.
    pub(crate) async fn close(&self) {
        if let Some(state) = self.state().filter(|_| !self.is_closed()) {
            state.ends();
        }
        // It waits for all that was taken from the pool.
        self.close_idle_stack();
        with_pool!(self, |pool| pool.close().await, ());
    }
}

/// Calls it when this is dropped.
fn at_end<F: Fn()>(call: F) -> impl Drop {
    struct Guard<F: Fn()>(F);
    impl<F: Fn()> Drop for Guard<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    Guard(call)
}

/// Whether this is a pool to a real server, and no mock, proxy or disconnected handle.
pub(crate) fn is_live(connection: &DatabaseConnection) -> bool {
    match &connection.inner {
        #[cfg(feature = "postgres")]
        sea_orm::DatabaseConnectionType::SqlxPostgresPoolConnection(_) => true,
        #[cfg(feature = "mysql")]
        sea_orm::DatabaseConnectionType::SqlxMySqlPoolConnection(_) => true,
        #[cfg(feature = "sqlite")]
        sea_orm::DatabaseConnectionType::SqlxSqlitePoolConnection(_) => true,
        _ => false,
    }
}

/// A failed acquire as SeaORM itself reports it.
fn acquire_error(err: sqlx::Error) -> DbErr {
    match err {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        err => DbErrKind::Conn.of_sqlx(err),
    }
}
