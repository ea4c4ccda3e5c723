//! Writers that remember what they were told, and read what they wrote.
//!
//! They end their writes in every way that an application does: most wait for the answer, some roll back, and of some the
//! future is dropped at any moment, of a COMMIT too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TransactionSession, TransactionTrait,
};
use sealane::{Error, Outcome, RoutedConnection};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    calm::Calm,
    told::{Told, What},
};

/// The greatest epoch that a writer's process knows of.
pub type Known = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a write ends.
#[derive(Clone, Copy, Debug)]
enum Way {
    Statement,
    Commit,
    /// Its caller goes away.
    DroppedStatement,
    DroppedCommit,
    /// Its caller goes away before the COMMIT, so that it is certainly not executed.
    DroppedInside,
    RolledBack,
    /// Another statement of its transaction fails, and it is committed all the same.
    Spoilt,
}

/// What became of a write.
enum End {
    /// By a primary of this timeline.
    Stored(u64),
    Failed(DbErr),
    Dropped,
    Undone,
}

pub struct Writer<C> {
    pub db: C,
    /// Where it looks for what it wrote: the same, unless the client is one that splits by itself.
    pub reads: C,
    pub known: Known,
    pub calm: Arc<Calm>,
    pub rng: Rng,
    /// Takes what it dropped for not executed, as a careless application does.
    pub careless: bool,
    told: Told,
    /// The last one that was acknowledged.
    last: i64,
    /// The greatest one that it has seen, and in which epoch.
    floor: (u64, i64),
}

pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Told>>,
}

impl Writers {
    pub fn start<C>(writers: impl IntoIterator<Item = Writer<C>>) -> Self
    where
        C: ConnectionTrait + TransactionTrait + Send + Sync + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |writer: Writer<C>| tokio::spawn(writer.run(Arc::clone(&stop), 1));
        Self {
            tasks: writers.into_iter().map(start).collect(),
            stop,
        }
    }

    pub async fn end(self) -> Vec<Told> {
        self.stop.store(true, Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await.unwrap());
        }
        all
    }
}

/// Half of them in sessions of their own, the others as the process.
pub fn routed(
    db: &RoutedConnection,
    key: i64,
    (floor, calm, seed): (u64, &Arc<Calm>, u64),
) -> Writer<RoutedConnection> {
    let handle = match key % 2 {
        0 => db.clone(),
        _ => db.session(),
    };
    let cluster = db.cluster();
    let known: Known = Arc::new(move || cluster.topology().epoch.unwrap_or_default().max(floor));
    Writer::new(handle.clone(), handle, (key, seed), known, Arc::clone(calm))
}

impl<C: ConnectionTrait + TransactionTrait> Writer<C> {
    pub fn new(db: C, reads: C, (key, seed): (i64, u64), known: Known, calm: Arc<Calm>) -> Self {
        Self {
            db,
            reads,
            known,
            calm,
            rng: Rng::with_seed(seed.wrapping_add(key.unsigned_abs())),
            careless: false,
            told: Told::new(key),
            last: 0,
            floor: (0, 0),
        }
    }

    /// For a process that may be killed.
    pub fn aloud(mut self) -> Self {
        self.told = self.told.aloud();
        self
    }

    pub async fn run(mut self, stop: Arc<AtomicBool>, from: i64) -> Told {
        for n in from.. {
            if stop.load(Relaxed) {
                break;
            }
            self.write(n).await;
            for _ in 0..3 {
                self.read().await;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        self.told
    }

    async fn write(&mut self, n: i64) {
        // The careless one drops a third.
        let roll = if self.careless { 45..90 } else { 0..100 };
        let way = match self.rng.u32(roll) {
            0..50 => Way::Statement,
            50..74 => Way::Commit,
            74..82 => Way::DroppedStatement,
            82..90 => Way::DroppedCommit,
            90..94 => Way::DroppedInside,
            94..97 => Way::RolledBack,
            _ => Way::Spoilt,
        };
        let (known, calm) = ((self.known)(), self.calm.now());
        self.told.note(What::Issued, n);
        let end = self.send(way, insert(self.told.key(), n)).await;
        match end.unwrap_or_else(End::Failed) {
            End::Stored(timeline) => {
                if timeline < known {
                    self.told.note(What::OldEpoch, n);
                }
                self.told.note(What::Acknowledged, n);
                self.last = n;
            }
            End::Failed(err) => {
                if !matches!(way, Way::Spoilt) {
                    self.calm.complain(calm, || format!("{way:?}: {err}"));
                }
                self.told.failed(&err);
                let known = outcome(&err) == Outcome::NotExecuted;
                let what = if known { What::Refused } else { What::Unknown };
                self.told.note(what, n);
            }
            End::Dropped if self.careless => self.told.note(What::Refused, n),
            End::Dropped => self.told.note(What::Unknown, n),
            End::Undone => self.told.note(What::Refused, n),
        }
    }

    async fn send(&mut self, way: Way, stmt: Statement) -> Result<End, DbErr> {
        // Before it has begun, in its midst, and when the answer is on its way.
        let patience = Duration::from_micros(self.rng.u64(0..3_000));
        if let Way::Statement = way {
            return Ok(End::Stored(timeline(self.db.query_one_raw(stmt).await?)));
        }
        if let Way::DroppedStatement = way {
            return match timeout(patience, self.db.query_one_raw(stmt)).await {
                Ok(done) => Ok(End::Stored(timeline(done?))),
                Err(_) => Ok(End::Dropped),
            };
        }
        let txn = self.db.begin().await?;
        if let Way::DroppedInside = way {
            let _ = timeout(patience, txn.query_one_raw(stmt)).await;
            return Ok(End::Undone);
        }
        let timeline = timeline(txn.query_one_raw(stmt).await?);
        match way {
            Way::RolledBack => {
                // It is not stored, whether or not anybody hears of it.
                let _ = txn.rollback().await;
                return Ok(End::Undone);
            }
            Way::DroppedCommit => match timeout(patience, txn.commit()).await {
                Ok(done) => done?,
                Err(_) => return Ok(End::Dropped),
            },
            Way::Spoilt => {
                let spoilt = txn.execute_unprepared("SELECT 1 / 0").await;
                assert!(spoilt.is_err());
                txn.commit().await?;
            }
            _ => txn.commit().await?,
        }
        Ok(End::Stored(timeline))
    }

    async fn read(&mut self) {
        let (epoch, calm) = ((self.known)(), self.calm.now());
        let sql = format!("SELECT n FROM mine WHERE key = {}", self.told.key());
        let read = self.reads.query_one_raw(statement(sql)).await;
        let seen: i64 = match read {
            Ok(row) => row.unwrap().try_get_by_index(0).unwrap(),
            Err(err) => {
                self.calm.complain(calm, || format!("a read: {err}"));
                self.told.failed(&err);
                return self.told.note(What::FailedRead, 0);
            }
        };
        self.calm.count(calm);
        self.told.note(What::Read, seen);
        if seen < self.last {
            self.told.note(What::Stale, seen);
        }
        // What a promotion loses was seen before.
        if (self.known)() != epoch || self.floor.0 != epoch {
            self.floor = (epoch, 0);
        }
        if seen < self.floor.1 {
            self.told.note(What::Backward, seen);
        }
        self.floor.1 = self.floor.1.max(seen);
    }
}

/// Values only grow, also when a write that was given up is executed behind a later one.
fn insert(key: i64, n: i64) -> Statement {
    statement(format!(
        "WITH one AS (UPDATE mine SET n = greatest(n, {n}) WHERE key = {key}) \
         INSERT INTO log SELECT {key}, {n}, ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint \
         RETURNING timeline"
    ))
}

fn statement(sql: String) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

fn timeline(row: Option<QueryResult>) -> u64 {
    let timeline: i64 = row.unwrap().try_get_by_index(0).unwrap();
    timeline.unsigned_abs()
}

/// A server's own answer to one plain statement means that it did not do it.
pub fn outcome(err: &DbErr) -> Outcome {
    match Error::from_db_err(err) {
        Some(ours) => ours.outcome(),
        None => Outcome::NotExecuted,
    }
}
