//! The connection on which health checks ask a node, and how long an answer on it is waited for (rules T1, T6).
//!
//! A check that has no answer in time is followed by one on another connection, since a network may have lost the first one
//! without a word. The first one is kept until that one is there: a server that is only slow answers late on it, and a login
//! takes longer than an answer wherever somebody is short of processor time.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::{DbBackend, DbErr};
use tokio::{task::JoinHandle, time::timeout};

#[cfg(feature = "mysql")]
use super::mysql;
#[cfg(feature = "postgres")]
use super::postgres;
use super::{Facts, Patience, in_time, not_answered, not_connected};
use crate::{
    config::{Config, NodeConfig},
    signal::Silence,
};

/// How many times as long as a start waits for it a connection may be opened.
const GOES_ON: u32 = 4;

/// A connection that only probes use, kept open between them.
#[derive(Debug, Default)]
pub(crate) enum MonitorConnection {
    #[default]
    None,
    #[cfg(feature = "postgres")]
    Postgres(Box<postgres::Kept>),
    #[cfg(feature = "mysql")]
    MySql(mysql::KeptMySql),
    /// One whose last answer has not come yet.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        allow(dead_code, reason = "a file is not asked")
    )]
    Late(Box<Self>),
    /// One that is being opened. The opening goes on from one probe to the next: what is begun anew each time is never there
    /// for a server to which it takes longer than an answer may.
    Opening(Opening),
    /// None, since the last attempt took longer than it may.
    TookLonger(Patience),
}

/// A connection that is being opened. Ends with whoever wants it.
#[derive(Debug)]
pub(crate) struct Opening {
    task: JoinHandle<Result<MonitorConnection, DbErr>>,
    patience: Patience,
    /// The one before, whose answer has not come.
    old: Option<Box<MonitorConnection>>,
}

/// An attempt to connect.
#[derive(Clone, Copy)]
struct ConnectAttempt {
    /// How long the first one may take.
    first: Duration,
    patience: Patience,
}

impl ConnectAttempt {
    /// The one that comes after this connection.
    fn after(wire: &MonitorConnection, first: Duration) -> Self {
        let patience = match wire {
            MonitorConnection::TookLonger(last) => last.took_longer(),
            _ => Patience::default(),
        };
        Self { first, patience }
    }
}

/// What ended the wait for a connection that is being opened.
enum Came {
    Answer(Facts),
    Connection(MonitorConnection),
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Opening {
    fn begin(
        config: &Config,
        node: &NodeConfig,
        attempt: ConnectAttempt,
        old: Option<Box<MonitorConnection>>,
    ) -> Self {
        let limit = attempt.patience.limit(attempt.first);
        let opening = opened(config.clone(), node.clone(), limit);
        Self {
            task: tokio::spawn(opening.boxed()),
            patience: attempt.patience,
            old,
        }
    }

    /// The connection, or an answer on the one before.
    async fn first(&mut self, config: &Config, node: &NodeConfig) -> Result<Came, DbErr> {
        let opened = match &mut self.old {
            Some(old) => tokio::select! {
                opened = &mut self.task => opened,
                Ok(facts) = old.ask(config, node) => return Ok(Came::Answer(facts)),
            },
            None => (&mut self.task).await,
        };
        let opened = opened.unwrap_or_else(|ended| Err(DbErr::Custom(ended.to_string())));
        opened.map(Came::Connection)
    }
}

/// Asks a configured node on a connection of its own, with its own time-out: a pool hides a refused connection for its
/// whole acquire time-out. A connection that broke since the last time is opened again at once, so that only
/// what fails on a fresh socket counts against a node. No answer is no answer, also where the connection for it is still
/// being opened: a frozen server lets one in and says nothing.
pub(crate) async fn probe(
    config: &Config,
    node: &NodeConfig,
    wire: &mut MonitorConnection,
) -> Result<Facts, DbErr> {
    probe_patiently(config, node, wire, config.connect_timeout).await
}

/// A probe for which the first attempt to connect may take so long.
async fn probe_patiently(
    config: &Config,
    node: &NodeConfig,
    wire: &mut MonitorConnection,
    first: Duration,
) -> Result<Facts, DbErr> {
    let limit = config.check_timeout;
    let attempt = ConnectAttempt::after(wire, first);
    let begin = |old| Opening::begin(config, node, attempt, old);
    let mut opening = match std::mem::take(wire) {
        MonitorConnection::Opening(opening) => opening,
        MonitorConnection::Late(old) => begin(Some(old)),
        MonitorConnection::None | MonitorConnection::TookLonger(_) => {
            if node.url.backend() == DbBackend::Sqlite {
                return Ok(Facts::default());
            }
            begin(None)
        }
        #[cfg(any(feature = "postgres", feature = "mysql"))]
        mut kept => {
            let answer = in_time(limit, pin!(kept.ask(config, node))).await;
            match answer {
                Some(Ok(facts)) => {
                    *wire = kept;
                    return Ok(facts);
                }
                Some(Err(_)) => begin(None),
                None => {
                    *wire = MonitorConnection::Late(Box::new(kept));
                    return Err(not_answered(config));
                }
            }
        }
    };
    let came = in_time(limit, pin!(opening.first(config, node))).await;
    let mut fresh = match came {
        Some(Ok(Came::Connection(opened))) => opened,
        Some(Ok(Came::Answer(facts))) => {
            *wire = opening
                .old
                .take()
                .map_or(MonitorConnection::None, |old| *old);
            return Ok(facts);
        }
        Some(Err(err)) => {
            if Silence::is_of_connecting(&err) {
                *wire = MonitorConnection::TookLonger(opening.patience);
            }
            return Err(err);
        }
        None => {
            *wire = MonitorConnection::Opening(opening);
            return Err(not_answered(config));
        }
    };
    let facts = in_time(limit, pin!(fresh.ask(config, node))).await;
    let facts = facts.unwrap_or_else(|| Err(not_answered(config)))?;
    *wire = fresh;
    Ok(facts)
}

/// Asks a node of which nothing is known: its connection is waited for as long as this attempt may take. What is not there by
/// then goes on being opened for the next one.
pub(crate) async fn meet(
    config: &Config,
    node: &NodeConfig,
    wire: &mut MonitorConnection,
    attempt: Duration,
) -> Result<Facts, DbErr> {
    let begun = Instant::now();
    loop {
        let answer = probe_patiently(config, node, wire, attempt * GOES_ON).await;
        if !wire.is_opening() {
            return answer;
        }
        if begun.elapsed() >= attempt {
            return Err(not_connected(config));
        }
    }
}

impl MonitorConnection {
    /// Whether the connection is being opened.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self, Self::Opening(_))
    }

    /// Goes on for a while as the connection of health checks, where one can be put in its place beside them.
    pub(crate) fn outlive_start(&mut self) {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(kept) => kept.outlives_start(),
            _ => *self = Self::None,
        }
    }

    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "only its connections are renewed")
    )]
    async fn ask(&mut self, config: &Config, node: &NodeConfig) -> Result<Facts, DbErr> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(kept) => {
                let facts = postgres::probe(config, node, kept).await?;
                Ok(facts.counted(config.flavour, node.role()))
            }
            #[cfg(feature = "mysql")]
            Self::MySql(kept) => mysql::probe(kept).await,
            // The file is opened by the pool itself; there is no server to ask.
            Self::None | Self::Late(_) | Self::Opening(_) | Self::TookLonger(_) => {
                Ok(Facts::default())
            }
        }
    }
}

/// One attempt to connect, within this time.
async fn opened(
    config: Config,
    node: NodeConfig,
    limit: Duration,
) -> Result<MonitorConnection, DbErr> {
    let opening = async {
        match node.url.backend() {
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => {
                let kept = postgres::open(&config, &node).await?;
                Ok(MonitorConnection::Postgres(Box::new(kept)))
            }
            #[cfg(feature = "mysql")]
            DbBackend::MySql => {
                let kept = mysql::open(&config, &node).await?;
                Ok(MonitorConnection::MySql(kept))
            }
            _ => Ok(MonitorConnection::None),
        }
    };
    let opened = timeout(limit, opening).await;
    opened.unwrap_or_else(|_| Err(not_connected(&config)))
}

/// Opens a connection to see whether one can be had, and closes it.
pub(crate) async fn try_connect(config: &Config, node: &NodeConfig) -> Result<(), DbErr> {
    let limit = config.connect_timeout;
    opened(config.clone(), node.clone(), limit).await.map(drop)
}
