//! PostgreSQL: the read-only default and the probe.

mod questions;

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use sea_orm::{
    DbErr,
    sqlx::{self, AssertSqlSafe, PgConnection, Row, postgres::PgRow},
};

use self::questions::{AURORA, LEAST, LITTLE, PLAIN_PROBE, PROBE, WITHOUT_RECEIVER};
use super::{Advice, Facts};
use crate::{
    config::{Config, NodeConfig},
    error::DbErrKind,
    node::{
        asking,
        door::server_of,
        greet::{
            allow_reads, is_forbidden, is_missing, is_refused_as_serializable, timeline_replayed,
        },
        open::connect_postgres,
        sharing,
    },
    position::Lsn,
    state::{Fact, WalReceiver, Withheld},
    vocabulary::{Signs, SystemFacts},
};

/// Back to the start-up parameter, whatever the session was told since.
pub(crate) const RESTORE_READ_ONLY_DEFAULT: &str = "RESET default_transaction_read_only";

pub(super) const ADVICE: Advice = Advice {
    read_only_default: "something between drops the start-up options; give the readers a role of their own with ALTER ROLE … \
                        SET default_transaction_read_only = on, or let the pooler pass `options` on (PgBouncer 1.20 and later \
                        do)",
    strings: "a session begins with standard_conforming_strings=off: texts with a backslash are not judged there, and go to the \
              primary; let the role and the database have it on",
};

const SERIALIZABLE: &str = "serializable";

pub(crate) use crate::node::greet::NOT_TOLD;

/// Opens a connection beside the node's pools, without asking where it leads to.
pub(crate) async fn open_plain(
    config: &Config,
    node: &NodeConfig,
    name: &str,
) -> Result<PgConnection, DbErr> {
    connect_postgres(config, node, name).await
}

/// How long a connection is kept: a new one may lead elsewhere, since names move.
const RENEW: Duration = Duration::from_secs(10);

/// How long the start's connections are kept beyond it: a name may move right after it.
const RENEW_FIRST: Duration = Duration::from_secs(3);

/// How much the server tells this role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    All,
    /// All but what tells some systems from PostgreSQL.
    Plain,
    /// Nor whether a standby receives.
    WithoutReceiver,
    Little,
    Least,
}

/// A kept connection, and how much may be asked on it.
#[derive(Debug)]
pub(crate) struct Kept {
    conn: PgConnection,
    tells: Tells,
    /// The role may not be told more; else its server has no more.
    forbidden: bool,
    /// Transactions here were serializable by default, which kept the connection from asking a standby.
    serializable: bool,
    /// Whether its server is Aurora, once that was asked.
    aurora: Option<bool>,
    /// Whether followers serve reads there, once that was tried.
    followers: Option<bool>,
    /// When another one is to be opened.
    renewed_at: Instant,
    /// What is being opened for its place.
    next: Option<JoinHandle<Option<PgConnection>>>,
}

/// Opens one.
pub(super) async fn open(config: &Config, node: &NodeConfig) -> Result<Kept, DbErr> {
    Ok(Kept {
        conn: connect(config, node).await?,
        tells: Tells::All,
        forbidden: false,
        serializable: false,
        aurora: None,
        followers: None,
        renewed_at: Instant::now() + RENEW,
        next: None,
    })
}

/// Asks on it.
pub(super) async fn probe(
    config: &Config,
    node: &NodeConfig,
    kept: &mut Kept,
) -> Result<Facts, DbErr> {
    kept.renew(config, node).await;
    let mut answer = ask(kept).await;
    if matches!(&answer, Err(err) if is_refused_as_serializable(err)) {
        // A standby refuses even this, but not to be told another default.
        let allowed = allow_reads(&mut kept.conn).await;
        allowed.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        kept.serializable = true;
        answer = ask(kept).await;
    }
    let facts = answer.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
    let flavour = config.flavour.or(facts.system.flavour);
    let begin = flavour.and_then(|flavour| flavour.follower_read(config.max_lag));
    let follower_reads = match begin {
        Some(begin) => reads_followers(kept, begin).await,
        None => Ok(false),
    };
    Ok(Facts {
        serializable: facts.in_recovery == Fact::Known(true)
            && (facts.serializable || kept.serializable),
        system: SystemFacts {
            follower_reads: follower_reads.map_err(|err| DbErrKind::Query.of_sqlx(err))?,
            ..facts.system
        },
        ..facts
    })
}

impl Kept {
    /// The start is over.
    pub(super) fn outlives_start(&mut self) {
        self.renewed_at = Instant::now() + RENEW_FIRST;
    }

    /// Puts a new connection in the place of an old one, beside the questions: connecting may take longer than an answer.
    async fn renew(&mut self, config: &Config, node: &NodeConfig) {
        match self.next.take() {
            Some(next) if next.is_finished() => {
                self.renewed_at = Instant::now() + RENEW;
                if let Ok(Some(conn)) = next.await {
                    self.conn = conn;
                    (self.tells, self.forbidden, self.serializable) = (Tells::All, false, false);
                    (self.aurora, self.followers) = (None, None);
                }
            }
            None if Instant::now() > self.renewed_at => {
                let (config, node) = (config.clone(), node.clone());
                self.next = Some(tokio::spawn(
                    async move {
                        let limit = config.connect_timeout;
                        let connected = tokio::time::timeout(limit, connect(&config, &node)).await;
                        connected.ok()?.ok()
                    }
                    .boxed(),
                ));
            }
            next => self.next = next,
        }
    }
}

async fn connect(config: &Config, node: &NodeConfig) -> Result<PgConnection, DbErr> {
    let mut conn = connect_postgres(config, node, "sealane-probe").await?;
    let found = sharing::find(config, node, &mut conn).await;
    found.map_err(|stranger| DbErrKind::Conn.of_sqlx(stranger.refused()))?;
    Ok(conn)
}

async fn ask(kept: &mut Kept) -> Result<Facts, sqlx::Error> {
    let whole = [
        (Tells::All, PROBE, Tells::Plain),
        (Tells::Plain, PLAIN_PROBE, Tells::WithoutReceiver),
        (Tells::WithoutReceiver, WITHOUT_RECEIVER, Tells::Little),
    ];
    for (tells, question, less) in whole {
        if kept.tells != tells {
            continue;
        }
        let started = Instant::now();
        match asking::row(&mut kept.conn, question).await {
            Err(err) if is_refused_as_serializable(&err) => return Err(err),
            Ok(row) => {
                let mut facts = read(&row, started.elapsed())?;
                if facts.epoch == Fact::Unknown {
                    facts.reached = timeline_replayed(&mut kept.conn).await?.map(u64::from);
                }
                return Ok(facts);
            }
            Err(err) if is_missing(&err) => {
                kept.forbidden = is_forbidden(&err);
                kept.tells = match less {
                    // What a server lacks is never the receiver alone.
                    Tells::WithoutReceiver if !kept.forbidden => Tells::Little,
                    less => less,
                };
            }
            Err(err) => return Err(err),
        }
    }
    if kept.tells == Tells::Little {
        let started = Instant::now();
        match asking::row(&mut kept.conn, LITTLE).await {
            Err(err) if is_missing(&err) && !is_refused_as_serializable(&err) => {
                kept.tells = Tells::Least;
            }
            row => return answered(kept, row, started).await,
        }
    }
    let started = Instant::now();
    let row = asking::row(&mut kept.conn, LEAST).await;
    answered(kept, row, started).await
}

async fn answered(
    kept: &mut Kept,
    row: Result<PgRow, sqlx::Error>,
    started: Instant,
) -> Result<Facts, sqlx::Error> {
    let row = row?;
    let round_trip = started.elapsed();
    let signs = Signs {
        version: row.try_get(3)?,
        aurora: is_aurora(kept).await?,
        ..Signs::default()
    };
    Ok(Facts {
        round_trip,
        system: SystemFacts {
            flavour: Some(signs.flavour()),
            ..SystemFacts::default()
        },
        withheld: kept.forbidden.then_some(Withheld::Log),
        ..read_little(&row)?
    })
}

/// Whether a read can begin there that a follower may serve; tried once. Some versions lack that, and some licences.
async fn reads_followers(kept: &mut Kept, begin: String) -> Result<bool, sqlx::Error> {
    if let Some(known) = kept.followers {
        return Ok(known);
    }
    let begun = asking::done(&mut kept.conn, AssertSqlSafe(begin));
    let can = match begun.await {
        Ok(_) => true,
        Err(err) if err.as_database_error().is_some() => false,
        Err(err) => return Err(err),
    };
    let ended = asking::done(&mut kept.conn, "ROLLBACK").await;
    match ended {
        // Where nothing has begun there is nothing to end, and that may be an error.
        Err(err) if can || err.as_database_error().is_none() => return Err(err),
        _ => kept.followers = Some(can),
    }
    Ok(can)
}

async fn is_aurora(kept: &mut Kept) -> Result<bool, sqlx::Error> {
    if let Some(known) = kept.aurora {
        return Ok(known);
    }
    let is_it = match asking::row(&mut kept.conn, AURORA).await {
        Ok(_) => true,
        // Whichever way a system says that it lacks that.
        Err(err) if err.as_database_error().is_some() => false,
        Err(err) => return Err(err),
    };
    kept.aurora = Some(is_it);
    Ok(is_it)
}

fn read_little(row: &PgRow) -> Result<Facts, sqlx::Error> {
    Ok(Facts {
        in_recovery: Fact::Known(row.try_get(0)?),
        cluster: row
            .try_get::<Option<String>, _>(1)?
            .and_then(|id| id.parse().ok()),
        serializable: row.try_get::<&str, _>(2)? == SERIALIZABLE,
        ..Facts::default()
    })
}

/// A receiver shows the timeline that it asks for before anybody has sent some of it, and one that nobody has in vain.
fn receiver_of(told: Option<i32>) -> Option<WalReceiver> {
    Some(match told? {
        0 => WalReceiver::Absent,
        1 => WalReceiver::Started,
        2 => WalReceiver::Hidden,
        _ => WalReceiver::Fed,
    })
}

fn read(row: &PgRow, round_trip: Duration) -> Result<Facts, sqlx::Error> {
    let in_recovery: bool = row.try_get(0)?;
    let timeline: Option<i64> = row.try_get(3)?;
    let position: Option<i64> = row.try_get(4)?;
    let receiver: Option<WalReceiver> = row.try_get(5).map(receiver_of)?;
    let segment = row.try_get::<i64, _>(6)?.cast_unsigned();
    let addr: &str = row.try_get(7)?;
    let started = row.try_get::<i64, _>(8)?.cast_unsigned();
    let ended: Option<i64> = row.try_get(9)?;
    let signs = Signs {
        version: row.try_get(10)?,
        aurora: false,
        citus: row.try_get(11)?,
        neon: row.try_get(12)?,
        alloydb: row.try_get(13)?,
    };
    Ok(Facts {
        epoch: match timeline {
            Some(timeline) => Fact::Known(timeline.cast_unsigned() & u64::from(u32::MAX)),
            // It follows nobody now: what it told before holds still.
            None if receiver == Some(WalReceiver::Absent) => Fact::NotChecked,
            // The role may not see on which timeline.
            None => Fact::Unknown,
        },
        receiver: match (in_recovery, receiver) {
            (true, Some(receiver)) => Fact::Known(receiver),
            _ => Fact::NotChecked,
        },
        withheld: receiver.is_none().then_some(Withheld::Receiver),
        position: position
            .map(|position| Lsn(position.cast_unsigned()).at_end_of_record(segment).0),
        ended: ended.map(i64::cast_unsigned),
        server: Some(server_of(addr, Some(started))),
        started: Some(started),
        address: (!addr.is_empty()).then(|| server_of(addr, None)),
        system: SystemFacts {
            flavour: Some(signs.flavour()),
            // Its own position says nothing of what the workers' replicas have.
            proves_nothing: row.try_get(14)?,
            subscribes: row.try_get(15)?,
            follower_reads: false,
        },
        round_trip,
        ..read_little(row)?
    })
}
