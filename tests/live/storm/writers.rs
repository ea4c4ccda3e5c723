//! Writers that remember what they were told, and read what they wrote.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use sealane::{Error, Outcome, RoutedConnection};
use sealane_harness::Node;
use tokio::task::JoinHandle;

/// What one writer was told.
#[derive(Default)]
struct Told {
    key: i64,
    acknowledged: Vec<i64>,
    refused: Vec<i64>,
    unknown: u64,
    reads: u64,
    failed_reads: u64,
    stale: u64,
    /// Accepted by a primary of an epoch that was over for this process when it was sent.
    old_epoch: u64,
}

pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Told>>,
}

pub struct All(Vec<Told>);

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    pub acknowledged: u64,
    pub lost: u64,
    pub twice: u64,
    /// Told as not executed, and there.
    pub denied: u64,
    pub stale: u64,
    pub old_epoch: u64,
    unknown: u64,
    refused: u64,
    reads: u64,
    failed_reads: u64,
}

impl Verdict {
    /// Broken promises.
    pub fn wrong(&self) -> u64 {
        self.lost + self.twice + self.denied + self.stale + self.old_epoch
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Writers {
    pub fn start(db: &RoutedConnection, count: i64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..count).map(|key| tokio::spawn(write(db.clone(), key, Arc::clone(&stop))));
        Self {
            tasks: tasks.collect(),
            stop,
        }
    }

    pub async fn end(self) -> All {
        self.stop.store(true, Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(task.await.unwrap());
        }
        All(all)
    }
}

async fn write(db: RoutedConnection, key: i64, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told {
        key,
        ..Told::default()
    };
    let backend = db.get_database_backend();
    // Half of them in sessions of their own, the others as the process.
    let handle = match key % 2 {
        0 => db.clone(),
        _ => db.session(),
    };
    let mut last = 0;
    for n in 1_i64.. {
        if stop.load(Relaxed) {
            break;
        }
        let epoch = db.cluster().topology().epoch.unwrap_or_default();
        let sql = format!(
            "WITH one AS (UPDATE mine SET n = {n} WHERE key = {key}) \
             INSERT INTO log SELECT {key}, {n}, ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint \
             RETURNING timeline"
        );
        let stmt = Statement::from_string(backend, sql);
        let written = match n % 3 {
            0 => in_transaction(&handle, stmt).await,
            _ => handle.query_one_raw(stmt).await,
        };
        match written {
            Ok(row) => {
                let timeline: i64 = row.unwrap().try_get_by_index(0).unwrap();
                told.old_epoch += u64::from(timeline.unsigned_abs() < epoch);
                told.acknowledged.push(n);
                last = n;
            }
            Err(err) if outcome(&err) == Outcome::NotExecuted => told.refused.push(n),
            Err(_) => told.unknown += 1,
        }
        for _ in 0..3 {
            let sql = format!("SELECT n FROM mine WHERE key = {key}");
            let read = handle
                .query_one_raw(Statement::from_string(backend, sql))
                .await;
            match read {
                Ok(row) => {
                    let seen: i64 = row.unwrap().try_get_by_index(0).unwrap();
                    told.reads += 1;
                    told.stale += u64::from(seen < last);
                }
                Err(_) => told.failed_reads += 1,
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    told
}

async fn in_transaction(
    db: &RoutedConnection,
    stmt: Statement,
) -> Result<Option<sea_orm::QueryResult>, sea_orm::DbErr> {
    let txn = db.begin().await?;
    let row = txn.query_one_raw(stmt).await?;
    txn.commit().await?;
    Ok(row)
}

/// A server's own answer to one plain statement means that it did not do it.
fn outcome(err: &sea_orm::DbErr) -> Outcome {
    match Error::of(err) {
        Some(ours) => ours.outcome(),
        None => Outcome::NotExecuted,
    }
}

impl All {
    /// Holds it against what the last primary has.
    pub fn against(&self, primary: &Node) -> Verdict {
        let mut verdict = Verdict::default();
        for told in &self.0 {
            let sql = format!(
                "SELECT string_agg(n::text, ',') FROM log WHERE key = {}",
                told.key
            );
            let rows = primary.sql(&sql).unwrap();
            let mut there: HashMap<i64, u64> = HashMap::new();
            for n in rows.trim().split(',').filter_map(|n| n.parse().ok()) {
                *there.entry(n).or_default() += 1;
            }
            let lost = told.acknowledged.iter().filter(|n| !there.contains_key(n));
            let lost: Vec<_> = lost.collect();
            let denied: Vec<_> = told
                .refused
                .iter()
                .filter(|n| there.contains_key(n))
                .collect();
            if !lost.is_empty() || !denied.is_empty() {
                println!("key {}: lost {lost:?}, denied {denied:?}", told.key);
            }
            let count = |count: usize| u64::try_from(count).unwrap();
            verdict.lost += count(lost.len());
            verdict.denied += count(denied.len());
            verdict.twice += count(there.values().filter(|times| **times > 1).count());
            verdict.acknowledged += count(told.acknowledged.len());
            verdict.refused += count(told.refused.len());
            verdict.unknown += told.unknown;
            verdict.reads += told.reads;
            verdict.failed_reads += told.failed_reads;
            verdict.stale += told.stale;
            verdict.old_epoch += told.old_epoch;
        }
        verdict
    }
}
