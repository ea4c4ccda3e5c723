//! Two primaries at a time, servers of another cluster, and replicas with a history of their own (rules T3–T5, T19).

use std::time::Duration;

use sealane::{Consistency, Reason, Role, RoutedConnection};
use sealane_harness::mariadb::Cluster;

use super::stage::{Roles, insert, rows, user};
use crate::{
    faults::{status, until_role, within},
    fixture::number,
    place::until,
};

const LIMIT: Duration = Duration::from_secs(30);
const MS: Duration = Duration::from_millis(1);
const COUNT: &str = "SELECT count(*) FROM note";

async fn connect(roles: &Roles, user: user::User) -> RoutedConnection {
    let builder = roles.builder(user).check_interval(50 * MS);
    let builder = builder.failover_timeout(1_000 * MS).max_lag(None);
    builder.connect().await.unwrap()
}

/// The primary dies, and both replicas are promoted, of which one has a write that the other lacks.
async fn promote_both(roles: &Roles, db: &RoutedConnection) {
    let [old, one, two] = roles.nodes();
    two.stop_applier().unwrap();
    insert(db, 1).await.unwrap();
    one.wait_caught_up_with(old).unwrap();
    old.kill().unwrap();
    one.promote().unwrap();
    two.promote().unwrap();
    until_role(db, "m2", Role::Fenced).await;
    until_role(db, "m3", Role::Fenced).await;
}

/// T4: one has more of the old primary's than the other, which makes it no better. Nothing is written anywhere until somebody
/// says which one it is.
async fn conflict_until_one_is_accepted(user: user::User) {
    let roles = Roles::new();
    let [_, one, two] = roles.nodes();
    let db = connect(&roles, user).await;
    promote_both(&roles, &db).await;
    insert(&db, 2).await.unwrap_err();
    assert_eq!((rows(one, 2), rows(two, 2)), (0, 0));
    within(LIMIT, db.cluster().force_primary("m2"))
        .await
        .unwrap();
    insert(&db, 3).await.unwrap();
    assert_eq!((rows(one, 3), rows(two, 3)), (1, 0));
    // The other one has written nothing, so it can follow, and proves what it has.
    two.follow(one).unwrap();
    until_role(&db, "m3", Role::Replica).await;
    insert(&db, 4).await.unwrap();
    until("a read on the replica", async || {
        number(&db, COUNT).await == 3 && db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    two.reset_statements().unwrap();
    assert_eq!(number(&db, COUNT).await, 3);
    assert_eq!(two.statements_with(COUNT).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_were_promoted_beside_each_other_get_no_writes_until_one_is_accepted() {
    conflict_until_one_is_accepted(user::WHO_SEES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_by_a_user_who_may_not_see_replication() {
    conflict_until_one_is_accepted(user::APPLICATION).await;
}

/// T4: the one that has the smaller number is taken once the other one gives up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_is_over_when_one_of_the_two_is_read_only() {
    let roles = Roles::new();
    let [_, one, two] = roles.nodes();
    let db = connect(&roles, user::WHO_SEES).await;
    promote_both(&roles, &db).await;
    one.demote().unwrap();
    until_role(&db, "m3", Role::Primary).await;
    insert(&db, 2).await.unwrap();
    assert_eq!((rows(one, 2), rows(two, 2)), (0, 1));
    // What it has beyond the new one is nobody else's.
    assert_ne!(status(&db, "m2").ineligible, None);
}

/// T4: handles that meet the two in opposite order write to one of them at the most, whatever their luck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_that_meet_two_primaries_write_to_one_at_the_most() {
    for round in 0..3 {
        let roles = Roles::new();
        let [old, one, two] = roles.nodes();
        let users = [user::WHO_SEES, user::APPLICATION];
        let mut writers = Vec::new();
        for (first, user) in [1_i64, 1_000_001].into_iter().zip(users) {
            let mut nodes = roles.nodes().map(|node| roles.url(user, node));
            if first > 1 {
                nodes.swap(1, 2);
            }
            let [primary, replicas @ ..] = nodes;
            let db = RoutedConnection::builder()
                .primary(primary)
                .replicas(replicas);
            let db = db.check_interval(50 * MS).failover_timeout(20 * MS);
            let db = db.max_lag(None).connect().await.unwrap();
            writers.push(tokio::spawn(async move {
                let begun = std::time::Instant::now();
                let mut ids = first..;
                while begun.elapsed() < 1_500 * MS {
                    // There is no primary, or there are two.
                    let id = ids.next().unwrap();
                    let sql = format!("INSERT INTO note VALUES ({id}, @@server_id)");
                    let _ = sea_orm::ConnectionTrait::execute_unprepared(&db, &sql).await;
                    tokio::time::sleep(2 * MS).await;
                }
            }));
        }
        tokio::time::sleep(300 * MS).await;
        old.kill().unwrap();
        std::thread::scope(|scope| {
            for node in [one, two] {
                scope.spawn(|| node.promote().unwrap());
            }
        });
        for writer in writers {
            writer.await.unwrap();
        }
        let written = [one, two].map(|node| {
            let sql = format!(
                "SELECT count(*) FROM note WHERE text = '{}'",
                node.server_id()
            );
            node.sql_in("app", &sql).unwrap()
        });
        println!("round {round}: {written:?} rows");
        assert!(written.contains(&"0".to_owned()), "both: {written:?}");
    }
}

/// T5: a server of another cluster is no replica and no primary of this one, whatever its numbers are, and one with the primary's
/// own id neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_cluster_is_fenced_whatever_it_says() {
    for id in ["77", "1"] {
        let roles = Roles::new();
        let [old, new, other] = roles.nodes();
        let theirs = Cluster::builder().setting("server-id", id).start().unwrap();
        let stranger = theirs.primary();
        super::stage::create(stranger, "app");
        for n in 1..=50 {
            let sql = format!("INSERT INTO note VALUES ({n}, 'theirs')");
            stranger.sql_in("app", &sql).unwrap();
        }
        let url = format!("{}?name=stranger", stranger.url_as("eye", "app"));
        let db = roles.builder(user::WHO_SEES).replica(url);
        let db = db.check_interval(50 * MS).failover_timeout(1_000 * MS);
        let db = db.max_lag(None).connect().await.unwrap();
        until_role(&db, "stranger", Role::Fenced).await;
        insert(&db, 100).await.unwrap();
        roles.wait_caught_up();
        old.kill().unwrap();
        insert(&db, 101).await.unwrap_err();
        assert_eq!(rows(stranger, 101), 0);
        new.promote().unwrap();
        other.follow(new).unwrap();
        until("writes", async || insert(&db, 102).await.is_ok()).await;
        assert_eq!((rows(new, 102), rows(stranger, 102)), (1, 0));
        assert_eq!(status(&db, "stranger").role, Role::Fenced);
    }
}

/// T5: what somebody wrote on a replica nobody reads, and it serves again once it is what the primary is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_somebody_wrote_to_serves_no_reads_until_it_is_mended() {
    let roles = Roles::new();
    let [primary, written, _] = roles.nodes();
    let db = roles.builder(user::APPLICATION);
    let db = db
        .consistency(Consistency::Eventual)
        .check_interval(50 * MS);
    let db = db.max_lag(None).connect().await.unwrap();
    insert(&db, 1).await.unwrap();
    roles.wait_caught_up();
    until("it to be used", async || {
        status(&db, "m2").ineligible.is_none()
    })
    .await;
    // An administrator is not bound by `read_only`.
    let errant = "INSERT INTO note VALUES (500, 'errant')";
    written.sql_in("app", errant).unwrap();
    let told = || status(&db, "m2").ineligible.map(|told| told.as_str());
    until("it to be known", async || {
        told() == Some("ahead_of_the_primary")
    })
    .await;
    written.reset_statements().unwrap();
    for _ in 0..50 {
        assert_eq!(
            number(&db, "SELECT count(*) FROM note WHERE id = 500").await,
            0
        );
    }
    assert_eq!(written.statements_with("id = 500").unwrap(), 0);
    // Also after it was started again.
    written.restart().unwrap();
    until("it to be known again", async || {
        told() == Some("ahead_of_the_primary")
    })
    .await;
    written
        .sql_in(
            "app",
            "SET sql_log_bin = 0; DELETE FROM note WHERE id = 500",
        )
        .unwrap();
    let position = written.sql("SELECT @@global.gtid_slave_pos").unwrap();
    let mend = format!("stop slave; reset master; set global gtid_slave_pos = '{position}'");
    written.sql(&mend).unwrap();
    written.follow(primary).unwrap();
    until("it to be used again", async || told().is_none()).await;
}
