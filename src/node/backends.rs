//! Which process of the server stands behind a connection, so that a write whose connection is lost can be
//! looked for (rule C1).
//!
//! A new connection is asked once, before its first write. sqlx gives a connection no name by which it could be known
//! again in the pool, and keeps its process id to itself; but it keeps the description of each prepared statement for
//! as long as the connection, so the description of the question is what tells connections apart. To find it there takes
//! no round trip. Asking before each write was rejected for the round trip, and marking connections by
//! `application_name` because that is the application's.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use papaya::HashMap;
use sea_orm::{
    DbErr,
    sqlx::{
        self, Connection, Executor, PgConnection, Row, SqlStr, Statement as _,
        postgres::PgStatement,
    },
};

use super::asking;
use crate::{causality::unresolved::Backend, error::DbErrKind, signal::may_show_sharing};

/// Asks a connection for its own process, and when that began.
const WHO: &str = "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8 \
     FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// How many connections are remembered; one that is forgotten is asked again.
const MOST: usize = 1024;

/// The processes of the server that stand behind connections.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    /// By the address of the description, which is kept so that no other can come to that address.
    known: HashMap<usize, (PgStatement, Backend), foldhash::fast::RandomState>,
    order: Mutex<VecDeque<usize>>,
    /// The pool's connections keep no descriptions.
    off: AtomicBool,
}

impl Backends {
    /// Whose connection this is; nothing where that cannot be told without asking each time.
    pub(crate) async fn of(&self, conn: &mut PgConnection) -> Result<Option<Backend>, DbErr> {
        if self.off.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match self.find(conn).await {
            // Another client's statement was met behind a pooler that nobody knows of yet. The caller's own statement will show
            // that as well, and have it looked at.
            Err(sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnIndexOutOfBounds { .. }) => {
                Ok(None)
            }
            Err(err) => {
                let err = DbErrKind::Conn.of_sqlx(err);
                match may_show_sharing(&err) {
                    true => Ok(None),
                    false => Err(err),
                }
            }
            found => found.map_err(|err| DbErrKind::Conn.of_sqlx(err)),
        }
    }

    async fn find(&self, conn: &mut PgConnection) -> Result<Option<Backend>, sqlx::Error> {
        let described = conn.prepare(SqlStr::from_static(WHO)).await?;
        let address = described.columns().as_ptr().addr();
        if let Some((_, backend)) = self.known.pin().get(&address) {
            return Ok(Some(*backend));
        }
        if conn.cached_statements_size() == 0 {
            self.off.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let row = asking::prepared_row(conn, WHO).await?;
        let backend = Backend {
            pid: row.try_get(0)?,
            started: row.try_get(1)?,
        };
        self.remember(address, described, backend);
        Ok(Some(backend))
    }

    fn remember(&self, address: usize, described: PgStatement, backend: Backend) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.pin();
        if order.len() >= MOST
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        order.push_back(address);
        known.insert(address, (described, backend));
    }
}
