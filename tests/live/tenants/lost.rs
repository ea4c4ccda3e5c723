//! What is known of a write whose connection is lost, before COMMIT and in it (rules R11, T9).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Error, Outcome, RoutedConnection, Stage};
use sealane_harness::Forwarder;

use super::{number, place};
use crate::place::until;

async fn sleeping(place: &super::Place, what: &str) {
    let running =
        format!("SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenant_app' AND {what}");
    until("the write to be under way", async || {
        place.on(place.primary(), &running) == "1"
    })
    .await;
}

#[tokio::test]
async fn a_write_that_is_lost_before_commit_is_not_stored_and_in_commit_unknown() {
    let place = place("tenants_lost").await;
    let way = Forwarder::to(place.primary().addr()).unwrap();
    let url = place.primary().url_at(way.addr(), "tenants_lost");
    let url = url.replace("postgres@", "tenant_app@");
    let db = RoutedConnection::builder()
        .primary(format!("{url}?name=primary"))
        .dead_after(Duration::from_secs(60))
        .connect()
        .await
        .unwrap();
    let tenant = db.with_local("app.tenant", "a").unwrap();

    let slow = "INSERT INTO note (tenant, text) SELECT 'a', 'slow' FROM pg_sleep(1)";
    let (failed, ()) = tokio::join!(tenant.execute_unprepared(slow), async {
        sleeping(&place, "query LIKE '%pg_sleep(1)%' AND state = 'active'").await;
        way.disconnect();
    });
    let failed = failed.unwrap_err();
    let ours = Error::from_db_err(&failed).unwrap();
    assert!(matches!(ours, Error::TransactionLost { .. }), "{ours}");
    assert_eq!(ours.outcome(), Outcome::NotExecuted);

    // COMMIT waits for a standby that is not there.
    until("the primary again", async || {
        number(&tenant.primary(), "SELECT 1::bigint").await.is_ok()
    })
    .await;
    place
        .primary()
        .set("synchronous_standby_names", "nobody")
        .unwrap();
    let insert = "INSERT INTO note (tenant, text) VALUES ('a', 'held')";
    let (failed, ()) = tokio::join!(tenant.execute_unprepared(insert), async {
        sleeping(&place, "wait_event = 'SyncRep'").await;
        way.disconnect();
    });
    place.primary().reset("synchronous_standby_names").unwrap();
    let failed = failed.unwrap_err();
    let ours = Error::from_db_err(&failed).unwrap();
    assert!(
        matches!(
            ours,
            Error::UnknownOutcome {
                stage: Stage::Commit,
                ..
            }
        ),
        "{ours}"
    );
    until("the server's end of both", async || {
        place.on(
            place.primary(),
            "SELECT string_agg(text, ' ') FROM note WHERE text IN ('slow', 'held')",
        ) == "held"
    })
    .await;
    drop(db);
}
