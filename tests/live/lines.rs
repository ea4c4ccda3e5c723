//! Standing in the lines of several nodes at once (rule R7).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::{ConnectOptions, DbErr};

use crate::fixture::{builder, cluster, sql};

const TASKS: usize = 8;
const READS: usize = 60;

/// At the heads of both lines a read took a connection in each, and used one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_stood_in_two_lines_takes_one_connection() {
    let cluster = cluster(2);
    let taken = Arc::new(AtomicUsize::new(0));
    let mut options = ConnectOptions::new(cluster.primary().url());
    options.map_sqlx_postgres_before_acquire({
        let taken = Arc::clone(&taken);
        move |_, _| {
            taken.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(true) })
        }
    });
    let db = builder(&cluster)
        .connect_options(options)
        .replica_max_connections(1)
        .connect()
        .await
        .unwrap();
    let before = taken.load(Ordering::Relaxed);
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let db = db.replica();
            tokio::spawn(async move {
                use sea_orm::ConnectionTrait;
                for _ in 0..READS {
                    db.query_all_raw(sql(&db, "SELECT 1")).await?;
                }
                Ok::<_, DbErr>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let taken = taken.load(Ordering::Relaxed) - before;
    // A few are taken by whoever comes to the heads of both lines in one moment.
    let reads = TASKS * READS;
    println!("{taken} connections were taken for {reads} reads");
    assert!(taken <= reads + reads / 10, "{taken} for {reads} reads");
}
