//! A connection of our own to a node, on which it is asked how far it has come, whichever system it is.

use std::time::Duration;

use sea_orm::{DbBackend, DbErr};

use super::capture_answer::CaptureAnswer;
#[cfg(feature = "mysql")]
use super::gtid;
#[cfg(feature = "postgres")]
use super::sql;
#[cfg(feature = "postgres")]
use crate::causality::PrimaryPlace;
use crate::{
    causality::ReplayReport,
    config::{Config, NodeConfig},
};

/// One, by its system.
#[derive(Debug)]
pub(super) enum Direct {
    #[cfg(feature = "postgres")]
    Postgres(Box<sql::LsnConnection>),
    #[cfg(feature = "mysql")]
    MySql(Box<gtid::GtidConnection>),
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
            let opened = gtid::open(config, node).await?;
            Ok(Direct::MySql(Box::new(opened)))
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
                    started: direct.started(),
                }))
            }
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
            Self::MySql(direct) => direct.sample().await,
        }
    }

    /// Whether its server can be left to wait for a position.
    pub(super) fn can_hold(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.can_hold(),
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.can_hold(),
        }
    }

    /// How far a replica has come when it has come this far, or after so long.
    pub(super) async fn sample_when(
        &mut self,
        lsn: u64,
        most: Duration,
    ) -> Result<ReplayReport, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(direct) => direct.sample_when(lsn, most).await,
            #[cfg(feature = "mysql")]
            Self::MySql(direct) => direct.sample_when(lsn, most).await,
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
