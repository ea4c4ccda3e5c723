//! What each backend asks of its servers: the probe, the read-only default, the catalog. SQL only; what the answers
//! mean is decided elsewhere.

#[cfg(feature = "postgres")]
pub(crate) mod activity;
mod catalog;
pub(crate) mod details;
mod in_time;
mod monitor;
#[cfg(feature = "mysql")]
pub(crate) mod mysql;
mod patience;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use self::catalog::{CatalogParts, read_catalog};
pub(crate) use self::in_time::in_time;
pub(crate) use self::monitor::{MonitorConnection, meet, probe, try_connect};
pub(crate) use self::patience::Patience;

#[cfg(feature = "postgres")]
use sea_orm::DatabaseConnectionType;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, sqlx,
};

#[cfg(feature = "postgres")]
use crate::vocabulary::{Flavour, Role};
use crate::{
    config::Config,
    error::DbErrKind,
    node::{Node, link::is_live},
    signal::Silence,
    state::{Fact, Standing, WalReceiver, Withheld, Writers},
    vocabulary::SystemFacts,
};

/// What one probe saw of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether the server is a standby; nothing where the backend has no such thing.
    pub(crate) in_recovery: Fact<bool>,
    /// What a server says of its role where it has no state of recovery.
    pub(crate) standing: Option<Standing>,
    /// Whose transactions it has, where no timeline tells that.
    pub(crate) writers: Option<Arc<Writers>>,
    /// Which cluster it belongs to: PostgreSQL's system identifier.
    pub(crate) cluster: Option<u64>,
    /// Which primaryship it is, or follows.
    pub(crate) epoch: Fact<u64>,
    /// The newest primaryship of which a standby has surely replayed something, where the one it follows is not told.
    pub(crate) reached: Option<u64>,
    /// Whether a standby receives from anybody.
    pub(crate) receiver: Fact<WalReceiver>,
    /// What the server does not tell for want of a right of the role.
    pub(crate) withheld: Option<Withheld>,
    /// How far it has written, or replayed.
    pub(crate) position: Option<u64>,
    /// Of how many transactions it knows, where all of them have ended.
    pub(crate) ended: Option<u64>,
    /// The server's address and start time, as one number.
    pub(crate) server: Option<u64>,
    /// The server's start time alone: one server has many addresses.
    pub(crate) started: Option<u64>,
    /// The server's address alone, where it has one.
    pub(crate) address: Option<u64>,
    /// What the server says of its system.
    pub(crate) system: SystemFacts,
    /// Transactions are serializable by default, of which a standby refuses every statement.
    pub(crate) serializable: bool,
    /// How long the question took on an open connection.
    pub(crate) round_trip: Duration,
}

#[cfg(feature = "postgres")]
impl Facts {
    /// What of it counts, where servers are what is set or else what this one says. Beside subscribers there may be their
    /// publisher and its standbys, of which all counts.
    fn counted(self, set: Flavour, role: Role) -> Self {
        let subscribes = self.system.subscribes && role != Role::Primary;
        let Some(flavour) = set.or_publisher(!subscribes).or(self.system.flavour) else {
            return self;
        };
        let row = flavour.row();
        let kept = Self {
            in_recovery: match row.roles || row.writes_everywhere {
                true => self.in_recovery,
                false => Fact::NotChecked,
            },
            system: SystemFacts {
                proves_nothing: self.system.proves_nothing || !row.positions,
                ..self.system
            },
            ..self
        };
        let kept = match row.epochs {
            true => kept,
            false => Self {
                epoch: Fact::NotChecked,
                reached: None,
                receiver: Fact::NotChecked,
                withheld: None,
                position: None,
                ended: None,
                ..kept
            },
        };
        match row.identity {
            true => kept,
            // What stands before all nodes may lead to any of them, and each of them will do.
            false => Self {
                cluster: None,
                server: None,
                started: None,
                address: None,
                ..kept
            },
        }
    }
}

/// A connection was not there within the time that one may take.
pub(crate) fn not_connected(config: &Config) -> DbErr {
    let limit = config.setting("connect_timeout");
    let connected = false;
    Silence { connected, limit }.into_db()
}

/// A question was not answered within its time.
fn not_answered(config: &Config) -> DbErr {
    Silence::on_a_connection(config.setting("check_timeout"))
}

/// What whoever runs the servers can do about what their connections say.
pub(crate) struct Advice {
    /// The read-only default is not there.
    pub(crate) read_only_default: &'static str,
    /// Sessions read strings in another way than the judge.
    pub(crate) strings: &'static str,
}

/// The advice for the servers of this backend.
pub(crate) const fn advice(backend: DbBackend) -> Advice {
    match backend {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => postgres::ADVICE,
        #[cfg(feature = "mysql")]
        DbBackend::MySql => mysql::ADVICE,
        _ => Advice {
            read_only_default: "",
            strings: "",
        },
    }
}

/// Puts the read-only default back inside a transaction that may have lifted it; `None` where that is not needed or not
/// possible.
pub(crate) const fn restore_read_only_default(backend: DbBackend) -> Option<&'static str> {
    match backend {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => Some(postgres::RESTORE_READ_ONLY_DEFAULT),
        _ => None,
    }
}

/// Asks inside a transaction, after an error that leaves that open, whether it is over ([`EndsTransaction::Untold`]); `None` where
/// no error does.
///
/// [`EndsTransaction::Untold`]: crate::signal::EndsTransaction::Untold
pub(crate) const fn is_transaction_over(backend: DbBackend) -> Option<&'static str> {
    match backend {
        #[cfg(feature = "mysql")]
        DbBackend::MySql => Some(mysql::IS_OVER_AFTER_LIMIT),
        _ => None,
    }
}

/// Asks an adopted node through the connection it came with.
pub(crate) async fn probe_adopted(node: &Node, limit: Duration) -> Result<Facts, DbErr> {
    #[cfg(all(feature = "testing", feature = "postgres"))]
    if node.link.fence().is_some() {
        // A test says who is what: both are one server.
        return Ok(Facts::default());
    }
    let db = node.link.connection();
    let backend = ConnectionTrait::get_database_backend(db);
    if !is_live(db) || backend != DbBackend::Postgres {
        return Ok(Facts::default());
    }
    let started = Instant::now();
    let row = tokio::time::timeout(
        limit,
        db.query_one_raw(Statement::from_string(
            backend,
            "SELECT pg_catalog.pg_is_in_recovery()",
        )),
    )
    .await
    // A pool that is full says nothing of its server.
    .unwrap_or_else(|_| match is_full(db) {
        true => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        false => Err(silent()),
    })?;
    let in_recovery = row.map(|row| row.try_get_by_index(0)).transpose()?;
    let in_recovery = in_recovery.map_or(Fact::NotChecked, Fact::Known);
    Ok(Facts {
        in_recovery,
        round_trip: started.elapsed(),
        ..Facts::default()
    })
}

/// Whether every connection of the application's own pool is taken.
fn is_full(db: &DatabaseConnection) -> bool {
    match &db.inner {
        #[cfg(feature = "postgres")]
        DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
            let pool = db.get_postgres_connection_pool();
            pool.size() >= pool.options().get_max_connections() && pool.num_idle() == 0
        }
        _ => false,
    }
}

fn silent() -> DbErr {
    DbErrKind::Conn.of_sqlx(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
}
