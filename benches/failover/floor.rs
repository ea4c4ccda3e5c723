//! The floor: raw connections to the standbys that try to write every 5 ms, as a client would that knew everything.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, Connection, PgConnection};
use sealane_harness::Node;
use tokio::task::JoinHandle;

use crate::Result;

/// Between two attempts, as the client's writes.
const EVERY: Duration = Duration::from_millis(5);

/// Attempts on each of these, until one succeeds.
pub(crate) struct Floor(Vec<JoinHandle<Option<Instant>>>);

impl Floor {
    /// Connected before anything happens.
    pub(crate) async fn start(standbys: &[&Node]) -> Result<Self> {
        let mut tasks = Vec::new();
        for node in standbys {
            let conn = PgConnection::connect(&node.url()).await?;
            tasks.push(tokio::spawn(first_write(conn)));
        }
        Ok(Self(tasks))
    }

    /// When the first write succeeded on the one that was promoted.
    pub(crate) async fn end(self, promoted: usize) -> Result<Instant> {
        let mut first = None;
        for (place, task) in self.0.into_iter().enumerate() {
            match place == promoted {
                true => first = task.await?,
                false => task.abort(),
            }
        }
        first.ok_or_else(|| "the raw connection to the promoted standby broke".into())
    }
}

async fn first_write(mut conn: PgConnection) -> Option<Instant> {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let wrote = sqlx::query("INSERT INTO floor VALUES (1)")
            .execute(&mut conn)
            .await;
        match wrote {
            Ok(_) => return Some(Instant::now()),
            Err(err) if err.as_database_error().is_some() => {}
            Err(_) => return None,
        }
    }
}
