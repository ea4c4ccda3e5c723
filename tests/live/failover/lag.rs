//! How far a replica may be behind (rule T11), and whom it follows (T5).

use std::time::Duration;

use sealane::Consistency;
use sealane_harness::Node;

use super::{MS, blocking, builder, cluster, connect, insert, promote, status, until_used};
use crate::place::until;

const SECOND: Duration = Duration::from_secs(1);

async fn until_unused(db: &sealane::RoutedConnection, node: &Node, why: &str) {
    until(&format!("{} {why}", node.name()), async || {
        let now = status(db, node).ineligible;
        now.is_some_and(|now| now.to_string() == why)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_replay_stands_still_is_left_when_it_is_too_far_behind() {
    let cluster = cluster();
    let db = builder(&cluster)
        .consistency(Consistency::Eventual)
        .check_interval(100 * MS)
        .max_lag(3 * SECOND)
        .connect()
        .await
        .unwrap();
    let (slow, well) = (cluster.standby(0), cluster.standby(1));
    until_used(&db, slow).await;
    slow.pause_replay().unwrap();
    insert(&db, 1).await.unwrap();
    // A handle that wants it nearer leaves it earlier, and both of them for the primary when none is near enough.
    let near = db.with_max_lag(400 * MS);
    let (heard, _guard) = crate::heard::Heard::listen();
    until("the nearer handle", async || {
        heard.decisions();
        for _ in 0..20 {
            crate::fixture::number(&near, super::COUNT).await;
        }
        let decisions = heard.decisions();
        decisions.iter().all(|one| one.node != slow.name())
    })
    .await;
    assert_eq!(status(&db, slow).ineligible, None);
    until_unused(&db, slow, "too far behind").await;
    let (behind, near) = (status(&db, slow), status(&db, well));
    assert_eq!(near.ineligible, None);
    assert!(behind.lag > Some(3 * SECOND), "{behind:?}");
    assert!(near.lag < behind.lag && near.lag.is_some(), "{near:?}");
    assert!(behind.lag_bytes > Some(0), "{behind:?}");
    assert_eq!((near.epoch, behind.epoch), (Some(1), Some(1)));
    assert!(near.host.ends_with(&well.port().to_string()), "{near:?}");
    slow.resume_replay().unwrap();
    until_used(&db, slow).await;
}

async fn connect_near(
    cluster: &sealane_harness::Cluster,
    every: Duration,
) -> sealane::RoutedConnection {
    builder(cluster)
        .check_interval(every)
        .max_lag(1_500 * MS)
        .connect()
        .await
        .unwrap()
}

/// An idle primary makes nobody late: the servers' own figures would grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_late_while_nothing_is_written() {
    let cluster = cluster();
    let db = connect_near(&cluster, 50 * MS).await;
    for standby in cluster.standbys() {
        until_used(&db, standby).await;
    }
    let begun = std::time::Instant::now();
    while begun.elapsed() < 4 * SECOND {
        for standby in cluster.standbys() {
            assert_eq!(
                status(&db, standby).ineligible,
                None,
                "{:?}",
                begun.elapsed()
            );
        }
        tokio::time::sleep(10 * MS).await;
    }
}

/// What a read logs (it prunes a page) that is then rolled back stays at an idle primary until its next commit: no
/// replica comes to its position, and each of them has everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_late_for_what_an_idle_primary_keeps_to_itself() {
    let cluster = cluster();
    let every = 50 * MS;
    let db = connect_near(&cluster, every).await;
    for standby in cluster.standbys() {
        until_used(&db, standby).await;
    }
    let on_primary = |sql: &str| cluster.primary().sql(sql).unwrap().trim().to_owned();
    on_primary(
        "CREATE TABLE kept (n int, much text) WITH (fillfactor = 10);
         INSERT INTO kept VALUES (0, repeat('x', 1500))",
    );
    let is_kept = || {
        on_primary("SELECT pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn() > 40") == "t"
    };
    // Every fifteen seconds the server sends it by itself; three times in a row it does not.
    for last in [false, false, true] {
        on_primary("UPDATE kept SET n = n + 1");
        on_primary("BEGIN; SELECT n FROM kept; ROLLBACK");
        let mut kept = is_kept();
        let begun = std::time::Instant::now();
        while kept && begun.elapsed() < 3 * SECOND {
            for standby in cluster.standbys() {
                assert_eq!(
                    status(&db, standby).ineligible,
                    None,
                    "{:?}",
                    begun.elapsed()
                );
            }
            tokio::time::sleep(every).await;
            kept = is_kept();
        }
        if kept {
            return;
        }
        assert!(!last, "nothing was kept back");
    }
}

/// T5: it shows what it had, and will never show more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_whose_receiver_is_cut_serves_no_reads() {
    let cluster = cluster();
    let db = connect(&cluster, 50 * MS).await;
    let cut = cluster.standby(0);
    until_used(&db, cut).await;
    cut.set("primary_conninfo", "").unwrap();
    until_unused(&db, cut, "not receiving").await;
    let (standby, primary) = (cut.clone(), cluster.primary().clone());
    blocking(move || standby.repoint(&primary).unwrap()).await;
    until_used(&db, cut).await;
}

/// T5: after a promotion a standby that still follows the old primary is of an older epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_of_the_old_primary_serves_no_reads_until_it_follows_the_new_one() {
    let cluster = cluster();
    let db = connect(&cluster, 50 * MS).await;
    let (new, astray) = (cluster.standby(0), cluster.standby(1));
    until_used(&db, astray).await;
    promote(new).await;
    until_unused(&db, astray, "follows an older primary").await;
    let (other, to) = (astray.clone(), new.clone());
    blocking(move || other.repoint(&to).unwrap()).await;
    until_used(&db, astray).await;
}
