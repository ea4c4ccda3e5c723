//! A connection of our own to a node, on which it is asked how far it has come, whichever system it is.

use std::time::Duration;

use sea_orm::{DbBackend, DbErr};

use super::capture_answer::CaptureAnswer;
#[cfg(feature = "postgres")]
use super::sql;
#[cfg(feature = "mysql")]
use super::{gtid, gtid_sets};
#[cfg(feature = "postgres")]
use crate::causality::PrimaryPlace;
use crate::{
    causality::ReplayReport,
    config::{Config, NodeConfig},
    position::GtidSet,
};
#[cfg(feature = "mysql")]
use crate::{
    error::DbErrKind,
    node::open::{connect_mysql, mysql::greet},
};

/// One, by its system.
#[derive(Debug)]
pub(super) enum Direct {
    #[cfg(feature = "postgres")]
    Postgres(Box<sql::LsnConnection>),
    #[cfg(feature = "mysql")]
    MariaDb(Box<gtid::GtidConnection>),
    #[cfg(feature = "mysql")]
    MySql(Box<gtid_sets::SetConnection>),
}

/// Opens one.
pub(super) async fn open(config: &Config, node: &NodeConfig, name: &str) -> Result<Direct, DbErr> {
    match node.url.backend() {
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => {
            let opened = sql::open(config, node, name).await?;
            Ok(Direct::Postgres(Box::new(opened)))
        }
        #[cfg(feature = "mysql")]
        DbBackend::MySql => {
            let mut conn = connect_mysql(config, node).await?;
            let server = greet::ask(&mut conn).await;
            let server = server.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
            Ok(match server.is_mariadb {
                true => Direct::MariaDb(Box::new(gtid::GtidConnection::new(conn, server))),
                false => Direct::MySql(Box::new(gtid_sets::SetConnection::new(conn, server))),
            })
        }
        _ => Err(DbErr::Custom(format!("nothing to ask for {name}"))),
    }
}

impl Direct {
    /// Which server it leads to, from one start of that to the next.
    pub(super) fn started(&self) -> u64 {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.started(),
            #[cfg(feature = "mysql")]
            Self::MariaDb(direct) => direct.started(),
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.started(),
        }
    }

    /// How far the primary has written.
    pub(super) async fn capture(&mut self) -> Result<CaptureAnswer, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => {
                let position = direct.capture().await?;
                Ok(CaptureAnswer::Place(PrimaryPlace {
                    position,
                    writer: None,
                    executed: None,
                    started: direct.started(),
                }))
            }
            #[cfg(feature = "mysql")]
            Self::MariaDb(direct) => direct.capture().await,
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.capture().await,
        }
    }

    /// How far a replica has come.
    pub(super) async fn sample(&mut self) -> Result<ReplayReport, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.sample().await,
            #[cfg(feature = "mysql")]
            Self::MariaDb(direct) => direct.sample().await,
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.sample().await,
        }
    }

    /// Whether its server can be left to wait for a position.
    pub(super) fn can_hold(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.can_hold(),
            #[cfg(feature = "mysql")]
            Self::MariaDb(direct) => direct.can_hold(),
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.can_hold(),
        }
    }

    /// How far a replica has come when it has come this far, or after so long. `executed`: what that is where positions are sets.
    pub(super) async fn sample_when(
        &mut self,
        lsn: u64,
        executed: impl FnOnce() -> Option<GtidSet>,
        most: Duration,
    ) -> Result<ReplayReport, DbErr> {
        let _ = &executed;
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.sample_when(lsn, most).await,
            #[cfg(feature = "mysql")]
            Self::MariaDb(direct) => direct.sample_when(lsn, most).await,
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.sample_when(executed(), most).await,
        }
    }
}

/// Why a primary that answers so gives no position for good; nothing where it may give one the next time.
pub(super) fn not_told(err: &DbErr) -> Option<String> {
    #[cfg(feature = "postgres")]
    if sql::is_not_told(err) {
        return Some(format!("{err}; {}", sql::GRANTS));
    }
    let _ = err;
    None
}
