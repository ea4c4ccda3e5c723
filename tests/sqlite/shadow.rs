//! `SEALANE_MODE=shadow` on a file: what is counted, and once.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{HealthState, Mode, Reason, RoutedConnection, ShadowReport};

use crate::fixture::{File, create_tables, sql};

async fn shadowed(file: &File) -> RoutedConnection {
    let builder = RoutedConnection::builder().primary(file.url());
    let db = builder.mode(Mode::Shadow).connect().await.unwrap();
    create_tables(&db).await.unwrap();
    db
}

fn kept(report: &ShadowReport, reason: Reason) -> u64 {
    let found = report.primary.iter().find(|kept| kept.reason == reason);
    found.map_or(0, |kept| kept.statements)
}

/// A statement that has to wait is decided again when it goes on.
#[tokio::test]
async fn a_write_that_waits_for_the_end_of_a_pause_is_counted_once() {
    let file = File::new();
    let db = shadowed(&file).await;
    let before = kept(&db.cluster().shadow_report(), Reason::Execute);
    let paused = db.cluster().pause_writes(Duration::from_secs(20)).await;
    let paused = paused.unwrap();
    let writing = tokio::spawn({
        let db = db.clone();
        async move {
            db.execute_unprepared("INSERT INTO author (name) VALUES ('a')")
                .await
        }
    });
    // One thread: it runs until it waits.
    tokio::task::yield_now().await;
    assert!(!writing.is_finished());
    drop(paused);
    writing.await.unwrap().unwrap();
    let report = db.cluster().shadow_report();
    assert_eq!(kept(&report, Reason::Execute), before + 1, "{report}");
}

#[tokio::test]
async fn reads_of_a_file_would_have_gone_to_its_readers() {
    let file = File::new();
    let db = shadowed(&file).await;
    let read = sql(&db, "SELECT count(*) FROM author");
    for _ in 0..3 {
        db.query_one_raw(read.clone()).await.unwrap();
    }
    assert_eq!(db.cluster().shadow_report().replica, 3);
}

/// Nobody may be sent traffic for a handle that answers every statement with an error.
#[tokio::test]
async fn a_closed_handle_is_down() {
    let file = File::new();
    let db = file.with_tables().await;
    let cluster = db.cluster();
    assert_eq!(cluster.health().state, HealthState::Ready);
    db.close().await.unwrap();
    assert_eq!(cluster.health().to_string(), "down: the handle is closed");
}
