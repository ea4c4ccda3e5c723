//! What a MariaDB server says of its replication: who wrote what it has, whether it is set up to receive, and who receives from
//! it (rule T19).

use std::sync::Arc;

use sea_orm::sqlx::{
    self, MySqlConnection, Row,
    mysql::{MySqlDatabaseError, MySqlRow},
};

use crate::{
    position::{Gtid, GtidPlace, last_of_each},
    state::{Fact, Standing, WalReceiver, Withheld, Writers},
};

/// What every user may ask. What is in the log was written or received here; what was received last is told beside it, since a
/// replica may log nothing of that. Appliers go on while the primary is gone, and `SLAVE_RUNNING` does not.
const ASK: &str = "SELECT @@global.server_id, @@global.gtid_binlog_state, @@global.gtid_slave_pos, @@global.gtid_binlog_pos, \
     (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'SLAVES_RUNNING'), \
     (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'SLAVES_CONNECTED'), \
     (SELECT variable_value FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON'), @@global.log_bin";

/// One row for each server that it is set up to receive from.
const SOURCES: &str = "SHOW ALL REPLICAS STATUS";

/// How much its server tells this user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SourceRights {
    #[default]
    All,
    /// Not from whom it is set up to receive.
    WithoutSources,
    /// Nothing: it is no MariaDB, or every node of its cluster takes writes.
    Nothing,
}

/// What was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Replication {
    pub(super) writers: Option<Arc<Writers>>,
    pub(super) withheld: Option<Withheld>,
    /// Whether the server receives now.
    pub(super) receiver: Fact<WalReceiver>,
    receives: Fact<bool>,
    feeds: bool,
    read_only: bool,
    /// What was written here and received, where both have one order.
    places: Option<(GtidPlace, GtidPlace)>,
}

impl Replication {
    /// Asks; nothing where the server has no such thing.
    pub(super) async fn ask(
        conn: &mut MySqlConnection,
        tells: &mut SourceRights,
        read_only: bool,
    ) -> Result<Option<Self>, sqlx::Error> {
        if *tells == SourceRights::Nothing {
            return Ok(None);
        }
        let told = sqlx::raw_sql(ASK).fetch_one(&mut *conn).await;
        let told = told.and_then(|row| read(&row));
        let Some(told) = unless_lacking(told)?.flatten() else {
            *tells = SourceRights::Nothing;
            return Ok(None);
        };
        let told = Self { read_only, ..told };
        let sources = match *tells {
            SourceRights::All => {
                let rows = sqlx::raw_sql(SOURCES).fetch_all(conn).await;
                unless_lacking(rows.and_then(|rows| receiver_of(&rows)))?
            }
            SourceRights::WithoutSources | SourceRights::Nothing => None,
        };
        if sources.is_none() {
            *tells = SourceRights::WithoutSources;
        }
        Ok(Some(Self {
            receiver: match sources {
                Some(Some(receiver)) => Fact::Known(receiver),
                Some(None) if told.read_only => Fact::Known(WalReceiver::Absent),
                _ => Fact::NotChecked,
            },
            receives: match (sources, told.receives) {
                (Some(sources), _) => Fact::Known(sources.is_some()),
                (None, Fact::Known(true)) => Fact::Known(true),
                // Stopped, or not set up.
                (None, _) => Fact::Unknown,
            },
            withheld: sources.is_none().then_some(Withheld::Replication),
            ..told
        }))
    }

    /// What the server says of its role; nothing where it has told nothing of this.
    pub(super) fn standing(&self) -> Option<Standing> {
        let receives = self.receives;
        (receives != Fact::NotChecked).then_some(Standing {
            writable: !self.read_only,
            receives,
            feeds: self.feeds,
            unwritten: self.places.is_some() && self.writers.is_none(),
        })
    }

    /// How far it has come: as one that receives by what it has applied, else by what it has written.
    pub(super) fn position(&self) -> Option<u64> {
        let (written, received) = self.places?;
        let follows = self.read_only || self.receives == Fact::Known(true);
        match (follows, written, received) {
            (true, _, GtidPlace::One(gtid)) | (false, GtidPlace::One(gtid), _) => {
                Some(gtid.sequence)
            }
            (true, _, GtidPlace::Empty) | (false, GtidPlace::Empty, _) => Some(0),
            _ => None,
        }
    }
}

/// Whether a server receives from any of these sources now; nothing where there are none.
fn receiver_of(sources: &[MySqlRow]) -> Result<Option<WalReceiver>, sqlx::Error> {
    let mut best = None;
    for source in sources {
        let running: String = source.try_get_unchecked("Slave_IO_Running")?;
        let receiver = match running == "Yes" {
            true => WalReceiver::Fed,
            // Stopped, or trying to connect.
            false => WalReceiver::Absent,
        };
        if best != Some(WalReceiver::Fed) {
            best = Some(receiver);
        }
    }
    Ok(best)
}

fn read(row: &MySqlRow) -> Result<Option<Replication>, sqlx::Error> {
    let text = |at: usize| row.try_get_unchecked::<Option<String>, _>(at);
    let count = |at: usize| {
        let told = text(at)?;
        Ok::<u64, sqlx::Error>(told.and_then(|told| told.parse().ok()).unwrap_or(0))
    };
    if text(6)?.is_some_and(|on| on == "ON") {
        return Ok(None);
    }
    let own: u64 = row.try_get_unchecked(0)?;
    let [state, received, written] = [text(1)?, text(2)?, text(3)?].map(Option::unwrap_or_default);
    let upto = last_of_each(&[&state, &received]);
    let pair = |gtid: Gtid| (u64::from(gtid.server), gtid.sequence);
    let written = match row.try_get_unchecked(7)? {
        true => GtidPlace::of(&written),
        // What it writes has no number.
        false => GtidPlace::Several,
    };
    let places = (written, GtidPlace::of(&received));
    Ok(Some(Replication {
        receives: Fact::Known(count(4)? > 0),
        feeds: count(5)? > 0,
        places: upto.as_ref().map(|_| places),
        writers: upto
            .and_then(|upto| Writers::in_one_order(own, upto.into_iter().map(pair).collect()))
            .map(Arc::new),
        ..Replication::default()
    }))
}

/// Nothing where the server has no such thing, or does not tell it to this user.
fn unless_lacking<T>(told: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(err) if is_lacking(&err) => Ok(None),
        Err(err) => Err(err),
    }
}

fn is_lacking(err: &sqlx::Error) -> bool {
    if matches!(err, sqlx::Error::ColumnDecode { .. }) {
        return true;
    }
    let err = err.as_database_error();
    let err = err.and_then(|err| err.try_downcast_ref::<MySqlDatabaseError>());
    // No such table, column, variable, statement; no right.
    err.is_some_and(|err| {
        matches!(
            err.number(),
            1054 | 1064 | 1109 | 1142 | 1146 | 1193 | 1227 | 3167
        )
    })
}
