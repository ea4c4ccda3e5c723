//! Standbys behind the address crash and come back behind what they had served, as the same servers (rules C4, C6).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{Cluster, HaProxy};

use crate::crash::{LOAD, TABLES, counted};

fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .much_to_replay()
        .setting("shared_buffers", "64MB")
        .start()
        .unwrap();
    cluster.primary().sql(TABLES).unwrap();
    cluster
}

/// A session that wrote, and how many rows it has to see.
#[derive(Clone)]
struct Writer {
    session: RoutedConnection,
    rows: i64,
}

impl Writer {
    /// Writes one row more.
    async fn writes(db: &RoutedConnection, rows: &mut i64) -> Self {
        let session = db.session();
        let insert = "INSERT INTO t VALUES (1)";
        session.execute_unprepared(insert).await.unwrap();
        *rows += 1;
        Self {
            session,
            rows: *rows,
        }
    }

    /// Whether it misses a row, in one of two reads at a time.
    async fn misses(&self) -> bool {
        let (one, other) = tokio::join!(counted(&self.session), counted(&self.session));
        one.min(other) < self.rows
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_behind_the_address_are_not_believed_what_they_had_before_their_crash() {
    let cluster = cluster();
    let servers = [cluster.standby(0).addr(), cluster.standby(1).addr()];
    let proxy = HaProxy::over(&servers).unwrap();
    let url = cluster.primary().url();
    let database = url.rsplit('/').next().unwrap_or_default();
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replica(cluster.standby(0).url_at(proxy.addr(), database))
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    let there = db.with_consistency(Consistency::Eventual);
    let (mut rows, mut behind) = (0, 0);
    for _ in 0..4 {
        // What it has to see any of them has, so that connections are known to lead to a server in its new life.
        let early = Writer::writes(&db, &mut rows).await;
        for _ in 0..4 {
            db.untracked().execute_unprepared(LOAD).await.unwrap();
        }
        let late = Writer::writes(&db, &mut rows).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            assert_eq!((early.misses().await, late.misses().await), (false, false));
        }
        let crashes = cluster.standbys().iter().map(|standby| {
            let standby = standby.clone();
            tokio::task::spawn_blocking(move || standby.crash().unwrap())
        });
        let crashes: Vec<_> = crashes.collect();
        let begun = Instant::now();
        while crashes.iter().any(|one| !one.is_finished())
            || begun.elapsed() < Duration::from_millis(1_500)
        {
            assert_eq!((early.misses().await, late.misses().await), (false, false));
            behind += u64::from(counted(&there).await < rows);
        }
        for crash in crashes {
            crash.await.unwrap();
        }
    }
    println!("{behind} reads elsewhere saw them behind");
}
