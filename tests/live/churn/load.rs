//! A light load: every way in which an application uses a handle, also those that end half way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, DbErr, StreamTrait, TransactionTrait};
use sealane::{Consistency, RoutedConnection};
use tokio::{task::JoinHandle, time::timeout};

use crate::fixture::sql;

const INSERT: &str = "INSERT INTO log VALUES (1)";
const READ: &str = "SELECT n FROM log LIMIT 20";

const WAYS: usize = 9;

/// Tasks that go on until they are ended, whatever fails: who kills servers loses statements.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn on(handles: &[RoutedConnection]) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = Vec::new();
        for db in handles {
            for first in 0..3 {
                let (db, stop, done) = (db.clone(), Arc::clone(&stop), Arc::clone(&done));
                tasks.push(tokio::spawn(async move {
                    let mut way = first;
                    while !stop.load(Relaxed) {
                        way += 1;
                        if one(&db, way % WAYS).await.is_ok() {
                            done.fetch_add(1, Relaxed);
                        }
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }));
            }
        }
        Self { stop, done, tasks }
    }

    /// How many statements were answered, once the last one was.
    pub async fn end(self) -> u64 {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.done.load(Relaxed)
    }
}

async fn one(db: &RoutedConnection, way: usize) -> Result<(), DbErr> {
    let read = || sql(db, READ);
    match way {
        0 => db.execute_unprepared(INSERT).await.map(drop),
        1 => {
            let txn = db.begin().await?;
            txn.execute_unprepared(INSERT).await?;
            txn.commit().await
        }
        // Its caller forgets to end it.
        2 => {
            let txn = db.begin().await?;
            txn.execute_unprepared(INSERT).await.map(drop)
        }
        3 => db.query_all_raw(read()).await.map(drop),
        4 => {
            let db = db.with_consistency(Consistency::Eventual);
            db.query_all_raw(read()).await.map(drop)
        }
        // A session that reads what it wrote, and is gone.
        5 => {
            let session = db.session();
            session.execute_unprepared(INSERT).await?;
            session.query_all_raw(read()).await.map(drop)
        }
        // A stream that nobody reads to its end.
        6 => {
            let mut rows = db.stream_raw(read()).await?;
            rows.next().await.transpose().map(drop)
        }
        // Callers that go away.
        7 => {
            let patience = Duration::from_micros(fastrand::u64(0..2_000));
            let _ = timeout(patience, db.query_all_raw(read())).await;
            let _ = timeout(patience, db.execute_unprepared(INSERT)).await;
            Ok(())
        }
        _ => {
            let db = db.with_local("app.tenant", 7).map_err(DbErr::from)?;
            db.query_all_raw(read()).await.map(drop)
        }
    }
}
