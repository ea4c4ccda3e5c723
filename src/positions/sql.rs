//! What servers are asked of their position: the primary's capture, a replica's sample (rules C2, C3, C4).

use std::time::{Duration, Instant};

use sea_orm::{
    DbErr,
    sqlx::{self, PgConnection, Row, postgres::PgRow},
};

use crate::{
    backend::postgres::{NOT_TOLD, open_plain},
    causality::{ReplayReport, Upstream},
    config::{Config, NodeConfig},
    error::DbErrKind,
    mutants,
    node::{
        asking, between,
        door::server_of,
        greet::{
            allow_reads, is_forbidden, is_refused_as_serializable, only_timeline, position,
            timeline_replayed,
        },
    },
    position::{ClusterId, Epoch, Lsn, Position},
    signal,
};

/// The insert position, because with asynchronous commit the write and the flush position lie below a commit that has
/// returned. The epoch comes from the same call: the control file still tells the old one after a promotion. On a
/// standby this fails with 55000.
const CAPTURE: &str = "SELECT (lsn - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8, \
     ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(lsn), 1, 8))::pg_catalog.bit(32)::pg_catalog.int8 \
     FROM pg_catalog.pg_current_wal_insert_lsn() AS lsn";

/// What does not change while a connection lasts: whose server it is, by its own address and start time whatever stands
/// between, and what is read from its control file, which a thousand questions a second must not open.
const IDENTITY: &str = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::pg_catalog.int8, \
     pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')), \
     pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()), \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8, \
     pg_catalog.current_setting('server_version_num')::pg_catalog.int4";

/// The first version whose standbys can be told to wait for a position.
const HOLDS_FROM: i32 = 190_000;

/// The question for a standby's position, by what it asks of whoever that receives from.
macro_rules! sample {
    ($receiver:literal, $from:literal) => {
        concat!(
            "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() \
     THEN (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 END, ",
            $receiver,
            " FROM (SELECT) AS one",
            $from
        )
    };
}

/// The replayed position, and from whom it is received. The timeline is told only to roles with `pg_read_all_stats`;
/// anybody else sees a row of NULLs there (rule T2), and where nothing is received there is no row. What is received is
/// compared while somebody receives only: a position that was received before says nothing of a log from the archive.
const SAMPLE: &str = sample!(
    "receiver.received_tli, receiver.pid IS NOT NULL, CASE WHEN receiver.pid IS NOT NULL \
     THEN (pg_catalog.pg_last_wal_receive_lsn() - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8 END",
    " LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() AS receiver ON true"
);

/// Where the role may not ask for the receiver.
const SAMPLE_ALONE: &str = sample!(
    "NULL::pg_catalog.int4, NULL::pg_catalog.bool, NULL::pg_catalog.int8",
    ""
);

/// Whose server a connection leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    cluster: u64,
    segment: u64,
    server: u64,
    address: Option<u64>,
    started: u64,
    version: i32,
}

/// A connection of our own to a node, beside its pools.
#[derive(Debug)]
pub(crate) struct LsnConnection {
    conn: PgConnection,
    identity: Identity,
    /// A pooler gives it another process of the server for each question, or of another server.
    shared: bool,
    /// The server can be left to wait for a position.
    holds: bool,
    /// The timeline that it has reached as a standby, where the role may not see more, and when that was asked.
    reached: Option<(Option<u32>, Instant)>,
    /// When a standby that receives from nobody was last asked on which timeline it is.
    left_alone: Option<Instant>,
    /// What a standby is asked here.
    sample: &'static str,
}

/// Between two looks at a server's files, which a thousand questions a second must not open.
const REACHED_EVERY: Duration = Duration::from_millis(500);

/// What lets a role be told.
pub(super) const GRANTS: &str =
    "let the role execute pg_current_wal_insert_lsn(), pg_walfile_name() and pg_control_system()";

/// Whether the server says that it will not tell.
pub(super) fn is_not_told(err: &DbErr) -> bool {
    let code = signal::code(err);
    code.is_some_and(|code| NOT_TOLD.contains(&code.as_str()))
}

/// Opens one.
pub(crate) async fn open(
    config: &Config,
    node: &NodeConfig,
    name: &str,
) -> Result<LsnConnection, DbErr> {
    let mut conn = open_plain(config, node, name).await?;
    let identity = match identify(&mut conn).await {
        Err(err) if is_refused_as_serializable(&err) => {
            let allowed = allow_reads(&mut conn).await;
            allowed.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
            identify(&mut conn).await
        }
        identity => identity,
    };
    let identity = identity.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
    // What stays prepared here would be another client's behind a pooler that nobody has met yet.
    let looked = between::look(config, node, &mut conn).await;
    looked.map_err(|err| DbErrKind::Conn.of_sqlx(err))?;
    let sharing = config.found.sharing(node.url.without_password());
    Ok(LsnConnection {
        conn,
        shared: sharing.is_shared(),
        holds: identity.version >= HOLDS_FROM && !sharing.is_shared(),
        identity,
        reached: None,
        left_alone: None,
        sample: SAMPLE,
    })
}

async fn identify(conn: &mut PgConnection) -> Result<Identity, sqlx::Error> {
    let row = asking::row(conn, IDENTITY).await?;
    let addr: &str = row.try_get(2)?;
    let started = unsigned(row.try_get(3)?);
    Ok(Identity {
        cluster: unsigned(row.try_get(0)?),
        segment: unsigned(row.try_get(1)?),
        server: server_of(addr, Some(started)),
        address: (!addr.is_empty()).then(|| server_of(addr, None)),
        started,
        version: row.try_get(4)?,
    })
}

impl LsnConnection {
    /// When the server was started that it leads to.
    pub(crate) fn started(&self) -> u64 {
        self.identity.started
    }

    /// The primary's position.
    pub(crate) async fn capture(&mut self) -> Result<Position, DbErr> {
        if self.shared {
            self.identity = self.same_identity().await?;
        }
        let row = match mutants::lives("flush_position") {
            false if self.shared => asking::row(&mut self.conn, CAPTURE).await,
            false => asking::prepared_row(&mut self.conn, CAPTURE).await,
            true => {
                let sql = CAPTURE.replace("wal_insert_lsn", "wal_flush_lsn");
                asking::prepared_row(&mut self.conn, sqlx::AssertSqlSafe(sql)).await
            }
        };
        let Identity {
            cluster, segment, ..
        } = self.identity;
        let read = |row: PgRow| {
            let timeline: i64 = row.try_get(1)?;
            Ok(Position {
                epoch: Epoch {
                    cluster: ClusterId(cluster),
                    timeline: u32::try_from(timeline & i64::from(u32::MAX)).unwrap_or(0),
                },
                lsn: Lsn(unsigned(row.try_get(0)?)).at_end_of_record(segment),
            })
        };
        row.and_then(read)
            .map_err(|err| DbErrKind::Query.of_sqlx(err))
    }

    /// Whether its server can be left to wait for a position.
    pub(super) fn can_hold(&self) -> bool {
        self.holds
    }

    /// A replica's position.
    pub(crate) async fn sample(&mut self) -> Result<ReplayReport, DbErr> {
        let replay = match self.shared {
            false => self.sample_own().await?,
            true => self.sample_shared().await?,
        };
        self.with_timeline(replay).await
    }

    /// A replica's position when it has replayed this one, or after so long. The server waits, so that the answer comes
    /// with the replay and not with the next question; in one message with the sample, which alone says of whose log the
    /// position is: `WAIT FOR LSN` compares numbers, whatever the timeline.
    pub(super) async fn sample_when(
        &mut self,
        lsn: u64,
        most: Duration,
    ) -> Result<ReplayReport, DbErr> {
        // The time of its beginning: what another connection is told meanwhile may be later than this.
        let begun = Instant::now();
        let (high, low, most) = (lsn >> 32, lsn & u64::from(u32::MAX), most.as_millis());
        let wait = format!(
            "WAIT FOR LSN '{high:X}/{low:X}' WITH (TIMEOUT '{most}ms', NO_THROW); {}",
            self.sample
        );
        let rows = asking::rows(&mut self.conn, sqlx::AssertSqlSafe(wait)).await;
        let identity = self.identity;
        let read = |rows: Vec<PgRow>| {
            let [held, row] = &rows[..] else {
                return Err(sqlx::Error::RowNotFound);
            };
            let is_standby = held.try_get::<&str, _>(0)? != "not in recovery";
            Ok((report(row, identity, begun)?, is_standby))
        };
        let (replay, is_standby) = rows
            .and_then(read)
            .map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        // One that was promoted answers at once, again and again.
        self.holds &= is_standby;
        self.with_timeline(replay).await
    }

    /// The report, with the timeline that the role was not told with the position.
    async fn with_timeline(&mut self, mut replay: ReplayReport) -> Result<ReplayReport, DbErr> {
        match replay.source {
            Upstream::Hidden(None) => {
                replay.source = Upstream::Hidden(self.timeline_replayed().await?);
            }
            Upstream::Nobody(None) if replay.lsn.is_some() => {
                replay.source = self.only_timeline().await?;
            }
            // It may receive all the same, and then it has the file of what it receives.
            Upstream::Untold if replay.lsn.is_some() => {
                let told = self.only_timeline().await?;
                replay.source = match told {
                    Upstream::Nobody(None) => Upstream::Untold,
                    told => told,
                };
            }
            _ => {}
        }
        Ok(replay)
    }

    /// Whose server it leads to now: a pooler may lead its clients elsewhere while they stay connected to it. Two servers are
    /// never taken for one, since a capture counts only where its server was the primary before and after.
    async fn same_identity(&mut self) -> Result<Identity, DbErr> {
        let now = identify(&mut self.conn).await;
        let now = now.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        match now.server == self.identity.server {
            true => Ok(now),
            false => Err(DbErr::ConnectionAcquire(
                sea_orm::ConnAcquireErr::ConnectionClosed,
            )),
        }
    }

    /// A position on a connection that leads to one server.
    async fn sample_own(&mut self) -> Result<ReplayReport, DbErr> {
        let (mut begun, identity) = (Instant::now(), self.identity);
        let mut row = asking::prepared_row(&mut self.conn, self.sample).await;
        if self.sample == SAMPLE && matches!(&row, Err(err) if is_forbidden(err)) {
            self.sample = SAMPLE_ALONE;
            begun = Instant::now();
            row = asking::prepared_row(&mut self.conn, SAMPLE_ALONE).await;
        }
        row.and_then(|row| report(&row, identity, begun))
            .map_err(|err| DbErrKind::Query.of_sqlx(err))
    }

    /// A position with whose it is, in one answer.
    async fn sample_shared(&mut self) -> Result<ReplayReport, DbErr> {
        let told = position(&mut self.conn).await;
        let told = told.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        told.ok_or_else(|| DbErr::Custom("the server does not say who it is".to_owned()))
    }

    /// Asked after the position: one that was told before the server came to a newer timeline lies below whatever is
    /// written there.
    async fn timeline_replayed(&mut self) -> Result<Option<u32>, DbErr> {
        if let Some((reached, asked)) = self.reached
            && asked.elapsed() < REACHED_EVERY
        {
            return Ok(reached);
        }
        let reached = timeline_replayed(&mut self.conn).await;
        let reached = reached.map_err(|err| DbErrKind::Query.of_sqlx(err))?;
        self.reached = Some((reached, Instant::now()));
        Ok(reached)
    }

    /// Asked after the position as well, and no answer from before says anything of it: what is not asked now is not
    /// known here. Whoever takes positions in knows what the server said last.
    async fn only_timeline(&mut self) -> Result<Upstream, DbErr> {
        // A pooler may lead the second question to another server.
        let asked = self.left_alone.map(|asked| asked.elapsed());
        if self.shared || asked.is_some_and(|ago| ago < REACHED_EVERY) {
            return Ok(Upstream::Nobody(None));
        }
        self.left_alone = Some(Instant::now());
        let timeline = only_timeline(&mut self.conn).await;
        timeline.map_err(|err| DbErrKind::Query.of_sqlx(err))
    }
}

/// What a row of [`SAMPLE`] says.
fn report(row: &PgRow, identity: Identity, begun: Instant) -> Result<ReplayReport, sqlx::Error> {
    let timeline: Option<i32> = row.try_get(1)?;
    let source = match timeline.and_then(|timeline| u32::try_from(timeline).ok()) {
        Some(timeline) => Upstream::Timeline(timeline),
        None => Upstream::of_hidden(row.try_get(2)?),
    };
    let lsn = row.try_get::<Option<i64>, _>(0)?.map(unsigned);
    let received = row.try_get::<Option<i64>, _>(3)?.map(unsigned);
    let received = received.map(|lsn| Lsn(lsn).at_end_of_record(identity.segment).0);
    Ok(ReplayReport {
        begun,
        lsn,
        executed: None,
        complete: lsn.is_some() && received == lsn,
        source,
        cluster: identity.cluster,
        server: identity.server,
        address: identity.address,
        connection: None,
    })
}

/// PostgreSQL's own unsigned numbers come as signed ones of the same bits.
const fn unsigned(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}
