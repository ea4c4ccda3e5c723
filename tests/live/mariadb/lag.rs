//! How far a replica may be behind (rules T11, T19).

use std::time::{Duration, Instant};

use sealane::{Consistency, RoutedConnection};

use super::stage::{Roles, insert, user};
use crate::{faults::status, fixture::number, heard::Heard, place::until};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const COUNT: &str = "SELECT count(*) FROM note";

async fn connect(roles: &Roles, limit: Duration) -> RoutedConnection {
    let builder = roles.builder(user::APPLICATION).max_lag(limit);
    let builder = builder.consistency(Consistency::Eventual);
    builder.check_interval(100 * MS).connect().await.unwrap()
}

async fn until_used(db: &RoutedConnection, node: &str) {
    until(&format!("{node} to be used"), async || {
        status(db, node).ineligible.is_none()
    })
    .await;
}

async fn until_unused(db: &RoutedConnection, node: &str, why: &str) {
    until(&format!("{node} {why}"), async || {
        let now = status(db, node).ineligible;
        now.is_some_and(|now| now.to_string() == why)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_applier_stands_still_is_left_when_it_is_too_far_behind() {
    let roles = Roles::new();
    let [_, slow, _] = roles.nodes();
    let db = connect(&roles, 3 * SECOND).await;
    until_used(&db, "m2").await;
    slow.stop_applier().unwrap();
    insert(&db, 1).await.unwrap();
    // A handle that wants it nearer leaves it earlier.
    let near = db.with_max_lag(400 * MS);
    let (heard, _guard) = Heard::listen();
    until("the nearer handle", async || {
        heard.decisions();
        for _ in 0..20 {
            number(&near, COUNT).await;
        }
        let decisions = heard.decisions();
        decisions.iter().all(|one| one.node != "m2")
    })
    .await;
    assert_eq!(status(&db, "m2").ineligible, None);
    until_unused(&db, "m2", "too far behind").await;
    let (behind, near) = (status(&db, "m2"), status(&db, "m3"));
    assert_eq!(near.ineligible, None);
    assert!(behind.lag > Some(3 * SECOND), "{behind:?}");
    assert!(near.lag < behind.lag && near.lag.is_some(), "{near:?}");
    // Numbers of transactions are no bytes, and those of a primary no timeline.
    assert_eq!((behind.lag_bytes, near.epoch), (None, None));
    slow.start_applier().unwrap();
    until_used(&db, "m2").await;
}

/// One that shows everything later on purpose says that it receives, and is left as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_replica_is_out_of_rotation_and_back_once_it_is_not_delayed() {
    let roles = Roles::new();
    let [_, slow, _] = roles.nodes();
    let db = connect(&roles, SECOND).await;
    until_used(&db, "m2").await;
    slow.delay(30).unwrap();
    insert(&db, 1).await.unwrap();
    until_unused(&db, "m2", "too far behind").await;
    slow.reset_statements().unwrap();
    for _ in 0..50 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    assert_eq!(slow.statements_with(COUNT).unwrap(), 0);
    slow.delay(0).unwrap();
    until_used(&db, "m2").await;
    until("a read there", async || {
        number(&db, COUNT).await;
        slow.statements_with(COUNT).unwrap() > 0
    })
    .await;
}

/// T5: who may see that it receives nothing does not wait until it is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_receives_nothing_serves_no_reads() {
    let roles = Roles::new();
    let [_, cut, _] = roles.nodes();
    let db = roles.builder(user::WHO_SEES).max_lag(None);
    let db = db.check_interval(50 * MS).connect().await.unwrap();
    until_used(&db, "m2").await;
    cut.stop_receiver().unwrap();
    until_unused(&db, "m2", "not receiving").await;
    cut.start_receiver().unwrap();
    until_used(&db, "m2").await;
}

/// An idle primary makes nobody late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_late_while_nothing_is_written() {
    let roles = Roles::new();
    let db = connect(&roles, 1_500 * MS).await;
    for node in ["m2", "m3"] {
        until_used(&db, node).await;
    }
    let begun = Instant::now();
    while begun.elapsed() < 4 * SECOND {
        for node in ["m2", "m3"] {
            let now = status(&db, node);
            assert_eq!(now.ineligible, None, "{:?}: {now:?}", begun.elapsed());
        }
        tokio::time::sleep(10 * MS).await;
    }
}

/// A replica without `read_only` is measured as any other, and is no primary when there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writable_replica_is_measured_and_never_taken_for_a_primary() {
    for user in [user::APPLICATION, user::WHO_SEES] {
        let roles = Roles::new();
        let [primary, slow, _] = roles.nodes();
        slow.set("read_only", "0").unwrap();
        let db = roles.builder(user).max_lag(SECOND).check_interval(50 * MS);
        let db = db.failover_timeout(500 * MS).connect().await.unwrap();
        until_used(&db, "m2").await;
        slow.stop_applier().unwrap();
        insert(&db, 1).await.unwrap();
        until_unused(&db, "m2", "too far behind").await;
        slow.start_applier().unwrap();
        until_used(&db, "m2").await;
        primary.kill().unwrap();
        slow.stop_applier().unwrap();
        for id in 2..5 {
            insert(&db, id).await.unwrap_err();
            assert_eq!(super::stage::rows(slow, id), 0);
        }
    }
}
