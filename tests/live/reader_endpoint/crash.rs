//! Standbys behind the address crash and come back behind what they had served, as the same servers (rules C4, C6).
//!
//! A server that crashes begins again at its last restart point, and with a delay of what it replays it stays there: so how
//! far behind it comes back is no matter of luck.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};
use sealane_harness::{Cluster, HaProxy, Node};

use super::QUESTION;
use crate::{fixture::number, place::until};

const COUNT: &str = "SELECT count(*) FROM t";
const SLOW: &str =
    "SELECT count(*) * 0 + (SELECT count(*) FROM t) AS slow FROM generate_series(1, 100000)";
/// In how many rounds reads that have to see something have to have met a server in its new life.
const MET: usize = 4;

const LONG: Duration = Duration::from_secs(3_600);

fn cluster() -> Cluster {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .much_to_replay()
        // What is written to the disk of what was replayed moves the point from which a standby answers.
        .setting("shared_buffers", "64MB")
        .setting("bgwriter_lru_maxpages", "0")
        .start()
        .unwrap();
    cluster.primary().sql("CREATE TABLE t (n bigint)").unwrap();
    cluster
}

/// Lets the standbys begin again here if they crash.
fn restart_point(cluster: &Cluster) {
    cluster.primary().sql("CHECKPOINT").unwrap();
    cluster.wait_caught_up().unwrap();
    for standby in cluster.standbys() {
        standby.sql("CHECKPOINT").unwrap();
    }
}

fn rows_of(node: &Node) -> i64 {
    node.sql(COUNT).unwrap().trim().parse().unwrap()
}

/// Ends the server's life, and lets it stay in the new one where it begins: behind. What it has of the log goes with it, so
/// that it receives again: one that replays what it has, and receives nothing, is not read from.
fn crash(cluster: &Cluster, node: &Node, served: i64) {
    node.apply_delay(LONG).unwrap();
    let log = format!("{}/{}/data/pg_wal", cluster.folder().display(), node.name());
    for file in fs::read_dir(log).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            fs::remove_file(file).unwrap();
        }
    }
    node.crash().unwrap();
    let rows = rows_of(node);
    assert!(rows < served, "{rows} of {served} rows after the crash");
}

async fn insert(session: &RoutedConnection, rows: &mut i64) {
    let insert = "INSERT INTO t VALUES (1)";
    session.execute_unprepared(insert).await.unwrap();
    *rows += 1;
}

/// So many reads at a time that more connections are used than one server's.
async fn at_once(db: &RoutedConnection, text: &str) -> Vec<i64> {
    join_all((0..6).map(|_| number(db, text))).await
}

async fn sees(session: &RoutedConnection, rows: i64) {
    let seen = at_once(session, SLOW).await;
    assert!(
        seen.iter().all(|seen| *seen == rows),
        "rows are missing: {seen:?} of {rows}"
    );
}

/// Whoever connects anew is given to one server after the other. A pool may have connections to one only, since no other was
/// fit for it as they were opened.
fn connect_anew(cluster: &Cluster) {
    for standby in cluster.standbys() {
        standby.terminate_connections().unwrap();
    }
}

/// Reads until both standbys have served some that had to see what was written.
async fn meet_both(session: &RoutedConnection, cluster: &Cluster, rows: i64) {
    let served = || {
        let of = |node: &Node| node.statements_with("AS slow").unwrap();
        cluster.standbys().iter().map(of).collect::<Vec<_>>()
    };
    let before = served();
    until("both servers to serve", async || {
        connect_anew(cluster);
        sees(session, rows).await;
        served().iter().zip(&before).all(|(now, then)| now > then)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standbys_behind_the_address_are_not_believed_what_they_had_before_their_crash() {
    let cluster = cluster();
    let servers = [cluster.standby(0).addr(), cluster.standby(1).addr()];
    let proxy = HaProxy::over(&servers).unwrap();
    let db = RoutedConnection::builder()
        .primary(cluster.primary().url())
        .replica(cluster.standby(0).url_at(proxy.addr(), "postgres"))
        .consistency(Consistency::ReadYourWrites)
        .max_lag(None)
        .connect()
        .await
        .unwrap();
    let there = db.with_consistency(Consistency::Eventual);
    let mut rows = 0;
    for at in [0, 1, 0] {
        restart_point(&cluster);
        let session = db.session();
        insert(&session, &mut rows).await;
        cluster.wait_caught_up().unwrap();
        meet_both(&session, &cluster, rows).await;
        let crashes = cluster.standby(at);
        crash(&cluster, crashes, rows);
        let questions = || crashes.statements_with(QUESTION).unwrap();
        let mut met = 0;
        until("reads that ask connections to it", async || {
            connect_anew(&cluster);
            let seen = at_once(&there, SLOW).await;
            let before = questions();
            for _ in 0..3 {
                sees(&session, rows).await;
            }
            let is_there = seen.iter().any(|seen| *seen < rows);
            met += usize::from(is_there && questions() > before);
            met >= MET
        })
        .await;
        // What has to be seen is more each time, so that whoever has it is asked anew.
        for _ in 0..10 {
            insert(&session, &mut rows).await;
            sees(&session, rows).await;
            sees(&session, rows).await;
        }
        crashes.apply_delay(Duration::ZERO).unwrap();
        cluster.wait_caught_up().unwrap();
    }
}
