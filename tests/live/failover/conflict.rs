//! Two primaries at a time (rules T3–T5).

use std::time::Duration;

use sealane::{ClusterSignal, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use super::{MS, blocking, builder, cluster, insert, promote, rows, status, until_role};
use crate::place::until;

/// Both standbys are promoted, and both come up in one epoch.
async fn both_promoted(cluster: &Cluster) {
    cluster.primary().kill().unwrap();
    let (one, two) = (cluster.standby(0).clone(), cluster.standby(1).clone());
    let one = blocking(move || one.promote().unwrap());
    let two = blocking(move || two.promote().unwrap());
    tokio::join!(one, two);
    for node in cluster.standbys() {
        assert_eq!(node.timeline().unwrap(), 2);
    }
}

fn patience(cluster: &Cluster) -> sealane::Builder {
    builder(cluster)
        .check_interval(50 * MS)
        .failover_timeout(1_000 * MS)
        .max_lag(None)
}

/// T4: nothing is written anywhere until somebody says which one it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_primaries_of_one_epoch_get_no_writes_until_one_is_accepted() {
    let cluster = cluster();
    let db = patience(&cluster).connect().await.unwrap();
    both_promoted(&cluster).await;
    let (one, two) = (cluster.standby(0), cluster.standby(1));
    until_role(&db, one, Role::Fenced).await;
    until_role(&db, two, Role::Fenced).await;
    insert(&db, 1).await.unwrap_err();
    assert_eq!((rows(one, 1), rows(two, 1)), (0, 0));
    db.cluster().force_primary(two.name()).await.unwrap();
    insert(&db, 2).await.unwrap();
    assert_eq!((rows(one, 2), rows(two, 2)), (0, 1));
    let err = db.cluster().force_primary("nobody").await.unwrap_err();
    assert!(
        err.to_string().contains("no node is called `nobody`"),
        "{err}"
    );
}

const URLS: &str = "SEALANETEST_CONFLICT_URLS";

/// Not a test of its own: one of the processes of the next one. It writes for a while, and most of it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_meets() {
    let Ok(urls) = std::env::var(URLS) else {
        return;
    };
    let mut words = urls.split(' ');
    let first: i64 = words.next().unwrap().parse().unwrap();
    let db = RoutedConnection::builder()
        .primary(words.next().unwrap())
        .replicas(words)
        .check_interval(50 * MS)
        .failover_timeout(20 * MS)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    println!("ready");
    let begun = std::time::Instant::now();
    for n in 0_i64.. {
        if begun.elapsed() > Duration::from_millis(2_500) {
            return;
        }
        // There is no primary, or there are two.
        let _ = insert(&db, first + n).await;
        tokio::time::sleep(2 * MS).await;
    }
}

/// T4: two processes that meet them in opposite order write to one at the most, whatever their luck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_meet_two_primaries_in_opposite_order_write_to_one_at_the_most() {
    for round in 0..if sealane_harness::long_form() { 30 } else { 3 } {
        let cluster = cluster();
        let place = "ALTER TABLE t ADD COLUMN at int DEFAULT inet_server_port()";
        cluster.primary().sql(place).unwrap();
        cluster.wait_caught_up().unwrap();
        let (one, two) = (cluster.standby(0).clone(), cluster.standby(1).clone());
        let named = |node: &Node| format!("{}?name={}", node.url(), node.name());
        let orders = [(100_000, [&one, &two]), (200_000, [&two, &one])];
        let children: Vec<_> = orders
            .into_iter()
            .map(|(first, order)| {
                let urls = [cluster.primary(), order[0], order[1]].map(named).join(" ");
                start(&format!("{first} {urls}"))
            })
            .collect();
        tokio::time::sleep(300 * MS).await;
        both_promoted(&cluster).await;
        for mut child in children {
            assert!(blocking(move || child.wait()).await.unwrap().success());
        }
        // A row tells where it was written: what came from the old primary may be at one of them alone.
        let written = |node: &Node| -> i64 {
            let sql = format!("SELECT count(*) FROM t WHERE at = {}", node.port());
            node.sql(&sql).unwrap().trim().parse().unwrap()
        };
        let (at_one, at_two) = (written(&one), written(&two));
        println!("round {round}: {at_one} and {at_two} rows");
        assert!(
            at_one == 0 || at_two == 0,
            "both were written to: {at_one} and {at_two}"
        );
    }
}

/// Starts one, and waits until it has connected.
fn start(urls: &str) -> std::process::Child {
    use std::io::BufRead as _;
    use std::process::{Command, Stdio};

    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "failover::conflict::child_meets", "--nocapture"])
        .env(URLS, urls)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.contains("ready")));
    // It goes on to print, and must not be ended by that.
    std::thread::spawn(move || lines.count());
    child
}

/// T14: what is in the list is a member, and processes of one configuration agree whenever they started: one that was
/// there before the promotion has followed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_promoted_before_the_start_is_the_primary_of_early_and_late_processes() {
    let cluster = cluster();
    let (primary, copy) = (cluster.primary(), cluster.standby(1));
    let early = patience(&cluster).connect().await.unwrap();
    promote(copy).await;
    let late = patience(&cluster).connect().await.unwrap();
    early.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&early, copy, Role::Primary).await;
    for (n, db) in [(1, &early), (2, &late)] {
        insert(db, n).await.unwrap();
        assert_eq!((rows(primary, n), rows(copy, n)), (0, 1));
        assert_eq!(status(db, primary).role, Role::Fenced);
    }
}

/// T5: a server of another cluster is no replica and no primary of this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_another_cluster_is_fenced_whatever_it_says() {
    let (ours, theirs) = (cluster(), cluster());
    let stranger = theirs.primary();
    let db = patience(&ours)
        .replica(format!("{}?name=stranger", stranger.url()))
        .connect()
        .await
        .unwrap();
    until("the stranger to be fenced", async || {
        let topology = db.cluster().topology();
        let node = topology.nodes.iter().find(|node| node.name == "stranger");
        node.is_some_and(|node| node.role == Role::Fenced)
    })
    .await;
    ours.primary().kill().unwrap();
    insert(&db, 1).await.unwrap_err();
    assert_eq!(rows(stranger, 1), 0);
    promote(ours.standby(0)).await;
    until("writes", async || insert(&db, 2).await.is_ok()).await;
    assert_eq!((rows(ours.standby(0), 2), rows(stranger, 2)), (1, 0));
}
