//! One database as the primary and the replica of a test, in a transaction that is rolled back.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    DatabaseConnection, DbErr, RuntimeErr, SqlxPostgresConnector,
    sqlx::{
        self, Connection, PgConnection, PgPool,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};

use crate::{
    cluster::start,
    connection::RoutedConnection,
    error::DbErrKind,
    node::{
        adopted::Adopted,
        fence::{Fence, FencedTest, Finding, look_at},
    },
};

/// How long a statement waits for the test's one connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// How long the catalog may take to be read.
const CATALOG: Duration = Duration::from_secs(20);

/// One PostgreSQL database that a test sees as a primary and its replica, through one connection in one transaction that is
/// rolled back: nothing of the test stays, and tests run beside each other on one database.
///
/// Statements are routed as on servers. What goes to the replica runs fenced: a write fails there, and so does a read of a
/// relation that the test has written to since it last said that the replica has everything, by
/// [`replicate`](Self::replicate). Each such place is a [`Finding`]: the statement's error at once, and in
/// [`findings`](Self::findings) where the application swallows that.
///
/// ```no_run
/// # async fn fill(_: &sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> { Ok(()) }
/// # async fn report(_: &sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> { Ok(()) }
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sealane::testing::RolledBack;
///
/// let test = RolledBack::begin("postgres://app:secret@localhost/shop_test").await?;
/// let db = test.connection();
/// fill(&db).await?; // what the test starts from
/// test.replicate().await?; // and the replica has it
///
/// report(&db).await?; // what the application does
/// assert_eq!(test.end().await, []);
/// # Ok(())
/// # }
/// ```
///
/// The server counts what a statement has read and written, through views, triggers and functions. Some things are not as on
/// servers:
///
/// - There is one connection. A statement beside an open transaction or stream waits for it, and fails after five seconds; an
///   isolation level that a transaction asks for is not set.
/// - What was rolled back by the application, or has failed, counts as written.
/// - `now()` stands still, a deferred constraint is checked never, and a text that says COMMIT ends the test's own transaction.
/// - What runs through [`concrete()`](RoutedConnection::concrete) is not fenced, and neither are streams inside of a read-only
///   transaction. `TRUNCATE` is no write here.
///
/// Real servers ([`sealane-harness`](https://docs.rs/sealane-harness)) have none of these limits.
pub struct RolledBack {
    db: RoutedConnection,
    connection: DatabaseConnection,
    test: Arc<FencedTest>,
}

impl fmt::Debug for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolledBack")
            .field("findings", &self.test.findings())
            .finish_non_exhaustive()
    }
}

impl RolledBack {
    /// Connects, and begins the transaction. The database's tables have to be there: migrations are of before.
    ///
    /// # Errors
    /// What the server says, that it does not count what statements touch (`track_counts`), or that the URL is not one of
    /// PostgreSQL's: a SQLite file is a cluster of its own, whose readers refuse writes and whose reads are always fresh.
    pub async fn begin(url: &str) -> Result<Self, DbErr> {
        let options = options(url)?;
        let used = Arc::new(AtomicBool::new(false));
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |conn, _| {
                let again = used.swap(true, Ordering::AcqRel);
                Box::pin(async move {
                    match again {
                        true => Err(lost()),
                        false => begin_for_ever(conn).await,
                    }
                })
            });
        let pool = pool.connect_with(options).await;
        let pool = pool.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
        // A pool that is told so as it connects tries again until it may no more.
        if !counts(&pool).await? {
            return Err(DbErr::Conn(RuntimeErr::Internal(UNCOUNTED.to_owned())));
        }
        let connection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        let test = Arc::<FencedTest>::default();
        let side = |reads_only| Adopted {
            connection: connection.clone(),
            fence: Some(Arc::new(Fence {
                test: Arc::clone(&test),
                reads_only,
            })),
        };
        let shared = start::simulate(side(false), vec![side(true)]);
        let db = RoutedConnection::of(shared.map_err(|err| err.into_db(DbErrKind::Conn))?);
        let own = Self {
            db,
            connection,
            test,
        };
        own.until_judging().await?;
        own.replicate().await?;
        Ok(own)
    }

    /// Before the catalog was read, reads of tables go to the primary.
    async fn until_judging(&self) -> Result<(), DbErr> {
        let shared = self
            .db
            .shared()
            .map_err(|err| err.into_db(DbErrKind::Conn))?;
        let deadline = Instant::now() + CATALOG;
        while shared.judging.classifier.knows_nothing() {
            if Instant::now() > deadline {
                let why = "the catalog of the test's database was not read in time".to_owned();
                return Err(DbErr::Conn(RuntimeErr::Internal(why)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// The handle that the application gets.
    #[must_use]
    pub fn connection(&self) -> RoutedConnection {
        self.db.clone()
    }

    /// From here on the replica has what was written up to now: what the test starts from, mostly.
    ///
    /// # Errors
    /// What the server says; while a transaction of the application has the connection, that it cannot be had.
    pub async fn replicate(&self) -> Result<(), DbErr> {
        let failed = |err: sqlx::Error| DbErrKind::Conn.of_sqlx(err);
        let pool = self.connection.get_postgres_connection_pool();
        let mut conn = pool.acquire().await.map_err(failed)?;
        self.test
            .replicated(look_at(&mut conn).await.map_err(failed)?);
        let shared = self
            .db
            .shared()
            .map_err(|err| err.into_db(DbErrKind::Conn))?;
        shared.tracker.replicate();
        Ok(())
    }

    /// What was found up to now, in its order: also what the application has swallowed.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.test.findings()
    }

    /// Rolls everything back, and gives what was found. Dropping it rolls back as well.
    #[must_use = "what was found is what the test is for"]
    pub async fn end(self) -> Vec<Finding> {
        // SeaORM's cannot fail for a pool.
        let _ = self.db.close_by_ref().await;
        self.connection.get_postgres_connection_pool().close().await;
        self.test.findings()
    }
}

fn options(url: &str) -> Result<PgConnectOptions, DbErr> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        let why = "RolledBack takes a URL of PostgreSQL (postgres://…): on SQLite a file is a cluster of its own, and MariaDB cannot \
                   make a part of a transaction read only";
        return Err(DbErr::Conn(RuntimeErr::Internal(why.to_owned())));
    }
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
    // What a worker of a parallel query has read its leader does not count.
    Ok(options.options([("max_parallel_workers_per_gather", "0")]))
}

/// The driver makes savepoints of whatever begins on it later. What would end the transaction is forgotten: the connection's end
/// does.
async fn begin_for_ever(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    std::mem::forget(conn.begin().await?);
    Ok(())
}

/// Whether the server counts what statements touch: nothing would ever be found where it does not.
async fn counts(pool: &PgPool) -> Result<bool, DbErr> {
    let shown = sqlx::query_scalar::<_, String>("SHOW track_counts").fetch_one(pool);
    let shown = shown.await.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
    Ok(shown == "on")
}

const UNCOUNTED: &str = "track_counts is off at the test's server, so nobody could tell what a statement has read and written; \
                         ALTER DATABASE … SET track_counts = on";

fn lost() -> sqlx::Error {
    let why = "the connection of this test was lost, and its transaction with it";
    sqlx::Error::Configuration(why.into())
}
