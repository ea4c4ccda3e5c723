//! Closures that run again (rule R12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, PaginatorTrait};
use sealane::RetryPolicy;

use crate::fixture::{File, author};

/// SQLITE_BUSY_SNAPSHOT: a transaction that has read cannot write once another one has.
#[tokio::test]
async fn a_snapshot_that_is_too_old_to_write_lets_the_closure_run_again() {
    let file = File::new();
    let db = file.with_tables().await;
    let other = file.connect().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let policy = RetryPolicy::default().with_pauses(Duration::ZERO, Duration::ZERO);
    let done = db.transaction_with_retry(policy, move |txn| {
        let (run, other) = (counted.fetch_add(1, Relaxed), other.clone());
        Box::pin(async move {
            let before = author::Entity::find().count(txn).await?;
            if run == 0 {
                let text = "INSERT INTO author (name) VALUES ('other')";
                other.execute_unprepared(text).await?;
            }
            let text = "INSERT INTO author (name) VALUES ('own')";
            txn.execute_unprepared(text).await?;
            Ok::<_, DbErr>(before)
        })
    });
    assert_eq!((done.await.unwrap(), runs.load(Relaxed)), (1, 2));
    let stored = author::Entity::find().count(&db.primary()).await.unwrap();
    assert_eq!(stored, 2);
}
