//! What is out of a pool that is handed out whole, so that it can be cut when its node is given up (rule C7).
//!
//! Nothing of ours stands between the caller and such a connection, and its pool hands it over and forgets it. So as it is
//! opened each one is asked who it is: its process at the server, and both of its ends as the server sees them. A socket
//! of this process with these ends can only be the connection's. Where none has them, because something stands between, the
//! server is asked for a text that nobody else knows, and the socket is the one in which that text is seen to come; of an
//! encrypted connection the text cannot be read, so its own end has to be the one that the server sees.
//!
//! To cut it the socket is ended, so that nothing more is sent from here, and its process is ended by the server on our
//! word, because it goes on with what it was given before. The process is certain only where its server sees our own end:
//! a pooler's may be serving somebody else by now. What is not certain is not touched.
//!
//! A connection that is closed on this side tells nobody. Its process may be at a statement that nobody waited for, so that
//! process is remembered, to be looked for until it is gone.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use super::sockets::Socket;
use crate::causality::unresolved::Backend;

/// How many processes are remembered that nobody has asked for yet; the oldest go first.
const GONE: usize = 1024;

/// The connections of one pool.
#[derive(Debug, Default)]
pub(crate) struct HandedConnections {
    /// To which its connections lead; none where that is a socket of the file system.
    port: Option<u16>,
    /// How many connections of the pool were opened.
    opened: AtomicU32,
    inside: Mutex<HandedState>,
}

#[derive(Debug, Default)]
struct HandedState {
    /// How often the connections were cut; one that was being opened meanwhile is of before.
    cuts: u64,
    /// Nobody is to have one any more. The pool's end is not enough: who is opening one goes on, and when that is
    /// refused the pool opens another without asking whether it was closed.
    over: bool,
    known: Vec<HandedConnection>,
    /// The processes of those that were closed on this side.
    gone: VecDeque<Backend>,
}

#[derive(Debug)]
struct HandedConnection {
    socket: Socket,
    backend: Option<Backend>,
}

impl HandedConnections {
    pub(super) fn to(port: Option<u16>) -> Self {
        Self {
            port,
            ..Self::default()
        }
    }

    /// One was opened that nobody has yet.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(in crate::node) fn count(&self) {
        self.opened.fetch_add(1, Ordering::AcqRel);
    }

    /// How many connections were opened by now.
    pub(crate) fn opened(&self) -> u32 {
        self.opened.load(Ordering::Acquire)
    }

    /// Cuts all that is known. The processes that were behind it: they may go on with what they were given.
    pub(crate) fn cut(&self) -> Vec<Backend> {
        let mut inside = self.inside();
        inside.cuts += 1;
        let known = std::mem::take(&mut inside.known);
        let end = |known: HandedConnection| {
            known.socket.end();
            known.backend
        };
        known.into_iter().filter_map(end).collect()
    }

    /// Calls this with the processes of those that were closed here since the last time: each may go on with what it was
    /// given. Who comes meanwhile waits until all of them are told.
    pub(crate) fn tell_gone(&self, tell: impl FnMut(Backend)) {
        let mut inside = self.inside();
        inside.note_closed();
        inside.gone.drain(..).for_each(tell);
    }

    /// From here on nobody gets one.
    pub(crate) fn end(&self) {
        self.inside().over = true;
    }

    fn inside(&self) -> MutexGuard<'_, HandedState> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HandedState {
    fn note_closed(&mut self) {
        let closed = self.known.extract_if(.., |one| !one.socket.is_open());
        self.gone.extend(closed.filter_map(|one| one.backend));
        let over = self.gone.len().saturating_sub(GONE);
        self.gone.drain(..over);
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use crate::node::asking;
    use std::{
        future::poll_fn,
        net::{IpAddr, SocketAddr},
        pin::pin,
        task::Poll,
        time::Duration,
    };

    use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, Row, postgres::PgRow};

    use super::{HandedConnection, HandedConnections};
    use crate::{
        causality::unresolved::Backend,
        node::sockets::{Ends, Socket},
    };

    /// Asks a connection for its own process, when that began, and its ends.
    const WHO: &str = "SELECT pid, (pg_catalog.date_part('epoch', backend_start) * 1000000)::pg_catalog.int8, \
         pg_catalog.host(pg_catalog.inet_client_addr()), pg_catalog.inet_client_port(), \
         pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port() \
         FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

    /// How often the mark is asked for, should its answer be read before it was seen.
    const TRIES: usize = 3;

    /// How often its answer is looked for, and the time between.
    const LOOKS: usize = 100;
    const LOOK_EVERY: Duration = Duration::from_millis(1);

    /// What the server says of a connection.
    #[derive(Clone, Copy, Default)]
    struct Told {
        backend: Option<Backend>,
        own: Option<SocketAddr>,
        peer: Option<SocketAddr>,
    }

    impl HandedConnections {
        /// What is opened from here on belongs to this time.
        pub(in crate::node) fn times_cut(&self) -> u64 {
            self.inside().cuts
        }

        /// Notes a connection that nobody has yet. It must not be used when this fails: all were cut since.
        pub(in crate::node) async fn note(
            &self,
            conn: &mut PgConnection,
            since: u64,
        ) -> Result<(), sqlx::Error> {
            self.count();
            let known = self.find(conn).await?;
            let mut inside = self.inside();
            if inside.over || inside.cuts != since {
                return Err(sqlx::Error::PoolClosed);
            }
            inside.note_closed();
            inside.known.extend(known);
            Ok(())
        }

        async fn find(
            &self,
            conn: &mut PgConnection,
        ) -> Result<Option<HandedConnection>, sqlx::Error> {
            let told = match asking::row(conn, WHO).await {
                Ok(row) => Told::read(&row),
                // Something that only speaks the protocol, or a role that may not ask.
                Err(sqlx::Error::Database(_)) => Told::default(),
                Err(err) => return Err(err),
            };
            let ends = told.own.zip(told.peer);
            let socket = match ends.and_then(|(own, peer)| Socket::with(Ends { own, peer })) {
                Some(socket) => Some(socket),
                None => self.watch(conn, told.own).await?,
            };
            Ok(socket.map(|socket| HandedConnection {
                socket,
                backend: told
                    .backend
                    .filter(|_| told.own.is_some() && told.own == socket.own()),
            }))
        }

        /// The socket in which an answer comes that nobody else is given.
        async fn watch(
            &self,
            conn: &mut PgConnection,
            own: Option<SocketAddr>,
        ) -> Result<Option<Socket>, sqlx::Error> {
            let quiet = Socket::quiet(self.port);
            if quiet.is_empty() {
                return Ok(None);
            }
            let mark = format!("{:032x}", fastrand::u128(..));
            for _ in 0..TRIES {
                let sql = AssertSqlSafe(format!("SELECT '{mark}'"));
                let mut asking = pin!(asking::row(conn, sql));
                // The first poll sends it, and the next one, which would take the answer, comes when that was seen.
                let first = poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await;
                if let Poll::Ready(answer) = first {
                    answer?;
                    continue;
                }
                let mut found = None;
                for _ in 0..LOOKS {
                    found = quiet.iter().find(|one| one.holds(&mark, own)).copied();
                    if found.is_some() {
                        break;
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                asking.await?;
                return Ok(found);
            }
            Ok(None)
        }
    }

    impl Told {
        fn read(row: &PgRow) -> Self {
            let end = |addr: usize, port: usize| {
                let addr: IpAddr = row.try_get::<&str, _>(addr).ok()?.parse().ok()?;
                let port = u16::try_from(row.try_get::<i32, _>(port).ok()?).ok()?;
                Some(SocketAddr::new(addr.to_canonical(), port))
            };
            let backend = || {
                let (pid, started) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
                Some(Backend { pid, started })
            };
            Self {
                backend: backend(),
                own: end(2, 3),
                peer: end(4, 5),
            }
        }
    }
}
