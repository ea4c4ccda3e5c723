//! Statements that fail by the application's fault, all the time: they harm nobody, and nothing of them is stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use fastrand::Rng;
use sea_orm::{AccessMode, ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait, Value};
use sealane::{Outcome, RoutedConnection};
use sealane_harness::Node;
use tokio::task::JoinHandle;

use super::{calm::Calm, writers::outcome};

/// What they would write to.
pub const TABLES: &str = "CREATE TABLE broken (n bigint, name text); CREATE TABLE guarded (code text); \
     CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION USING ERRCODE = NEW.code; END $$; \
     CREATE TRIGGER refuse BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION refuse()";

/// What a trigger raises.
const CODES: [&str; 9] = [
    "08006", "08P01", "57P01", "57P02", "57P03", "53300", "25006", "40001", "XX000",
];

pub struct Broken {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Broken {
    /// By so many senders.
    pub fn start(db: &RoutedConnection, calm: &Arc<Calm>, (seed, senders): (u64, u64)) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let task = |number: u64| {
            let mut rng = Rng::with_seed(seed.wrapping_add(number));
            let (db, calm) = (db.clone(), Arc::clone(calm));
            let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    send(&db, &calm, &mut rng).await;
                    sent.fetch_add(1, Relaxed);
                }
            })
        };
        Self {
            tasks: (0..senders).map(task).collect(),
            stop,
            sent,
        }
    }

    /// How many were sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// How many were sent, and how many of them are there.
    pub async fn end(self, primary: &Node) -> (u64, u64) {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let sent = self.sent.load(Relaxed);
        let rows = "SELECT (SELECT count(*) FROM broken) + (SELECT count(*) FROM guarded)";
        let stored = primary.sql(rows).unwrap().trim().parse();
        (sent, stored.unwrap())
    }
}

async fn send(db: &RoutedConnection, calm: &Calm, rng: &mut Rng) {
    let (since, what) = (calm.now(), rng.u32(..100));
    match one(db, what, rng).await {
        Ok(()) => panic!("{what} is no broken statement"),
        Err(err) if outcome(&err) == Outcome::Unknown => {
            calm.complain(since, || format!("broken statement {what}: {err}"));
        }
        Err(_) => {}
    }
    tokio::time::sleep(Duration::from_millis(rng.u64(2..25))).await;
}

async fn one(db: &RoutedConnection, what: u32, rng: &mut Rng) -> Result<(), DbErr> {
    let bound = |text: &str, values: Vec<Value>| {
        Statement::from_sql_and_values(DbBackend::Postgres, text, values)
    };
    let insert = "INSERT INTO broken VALUES ($1, $2)";
    let select = "SELECT key FROM mine WHERE key = $1";
    match what {
        0..15 => db.query_all_raw(bound(select, vec![])).await.map(drop),
        15..25 => db
            .execute_raw(bound(insert, vec![1.into()]))
            .await
            .map(drop),
        25..32 => {
            let nul = "INSERT INTO broken VALUES (1, 'a\0b')";
            db.execute_unprepared(nul).await.map(drop)
        }
        32..39 => {
            let nul = vec![1.into(), "a\0b".into()];
            db.execute_raw(bound(insert, nul)).await.map(drop)
        }
        39..42 => {
            let text = if rng.bool() { insert } else { select };
            let many = vec![Value::from(1_i64); 70_000];
            db.query_all_raw(bound(text, many)).await.map(drop)
        }
        42..65 => {
            let code = CODES[rng.usize(..CODES.len())];
            let text = format!("INSERT INTO guarded VALUES ('{code}')");
            db.execute_unprepared(&text).await.map(drop)
        }
        65..78 => {
            let text = "SELECT 1 / (key - key) FROM mine WHERE key = 0";
            db.query_all_raw(bound(text, vec![])).await.map(drop)
        }
        78..86 => {
            let text = "INSERT INTO broken SELECT 1 / 0, 'x'";
            db.execute_unprepared(text).await.map(drop)
        }
        86..90 => db.execute_unprepared("INSERT INTO").await.map(drop),
        _ => too_long(db, rng.bool()).await,
    }
}

/// A statement that its time-out ends, on a replica where it may run there.
async fn too_long(db: &RoutedConnection, reads: bool) -> Result<(), DbErr> {
    let access = if reads {
        AccessMode::ReadOnly
    } else {
        AccessMode::ReadWrite
    };
    let txn = db.begin_with_config(None, Some(access)).await?;
    txn.execute_unprepared("SET LOCAL statement_timeout = '3ms'")
        .await?;
    let text = if reads {
        "SELECT pg_sleep(5)"
    } else {
        "INSERT INTO broken SELECT 1, pg_sleep(5)::text"
    };
    txn.execute_unprepared(text).await?;
    txn.commit().await
}
