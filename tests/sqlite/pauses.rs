//! A pause of writes whose guard outlives its runtime.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::RoutedConnection;
use tokio::runtime::Runtime;

/// It had shut the writes of the process for ever, those of new handles too.
#[test]
fn writes_go_on_when_the_guard_of_a_pause_is_dropped_behind_its_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("a.db").display());
    let connect = || async {
        let builder = RoutedConnection::builder().primary(url.as_str());
        builder.connect().await.unwrap()
    };
    let gone = Runtime::new().unwrap();
    let (db, paused) = gone.block_on(async {
        let db = connect().await;
        let paused = db.cluster().pause_writes(Duration::from_secs(5)).await;
        (db, paused.unwrap())
    });
    drop(gone);
    drop(paused);
    Runtime::new().unwrap().block_on(async {
        for db in [db, connect().await] {
            let writing = db.execute_unprepared("CREATE TABLE IF NOT EXISTS t (i int)");
            let written = tokio::time::timeout(Duration::from_secs(20), writing).await;
            written.expect("writes go on").unwrap();
        }
    });
}
