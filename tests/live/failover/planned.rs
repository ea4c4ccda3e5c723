//! A planned change of the primary (rule T13).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{Error, Role};
use sealane_harness::Stop;

use super::{COUNT, MS, blocking, builder, cluster, insert, until_role};
use crate::{fixture::number, place::until};

/// Two handles with pools of their own; what holds writes back holds for both, since they are one process's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_over_with_paused_writes_fails_nothing() {
    let cluster = cluster();
    let dbs = [
        builder(&cluster).connect().await.unwrap(),
        builder(&cluster).connect().await.unwrap(),
    ];
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let workers: Vec<_> = (0..6)
        .map(|place| {
            let (db, stop, written) = (
                dbs[place % 2].clone(),
                Arc::clone(&stop),
                Arc::clone(&written),
            );
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    match place % 3 {
                        0 => insert(&db, 1).await.unwrap(),
                        1 => {
                            let txn = db.begin().await.unwrap();
                            txn.execute_unprepared("INSERT INTO t VALUES (1)")
                                .await
                                .unwrap();
                            tokio::time::sleep(5 * MS).await;
                            txn.commit().await.unwrap();
                        }
                        _ => {
                            number(&db, COUNT).await;
                            continue;
                        }
                    }
                    written.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    until("writes before the pause", async || {
        written.load(Relaxed) > 50
    })
    .await;
    let (old, new, other) = (
        cluster.primary().clone(),
        cluster.standby(0).clone(),
        cluster.standby(1).clone(),
    );
    let begun = Instant::now();
    let paused = dbs[0]
        .cluster()
        .pause_writes(Duration::from_secs(5))
        .await
        .unwrap();
    println!("paused after {:?}", begun.elapsed());
    assert!(!paused.bookmark().is_empty());
    let so_far = written.load(Relaxed);
    let again = dbs[1]
        .cluster()
        .pause_writes(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(matches!(again, Error::StillWriting { .. }), "{again}");
    blocking({
        let (old, new, other) = (old.clone(), new.clone(), other.clone());
        move || {
            new.wait_caught_up_with(&old).unwrap();
            old.stop(Stop::Fast).unwrap();
            new.promote().unwrap();
            other.repoint(&new).unwrap();
        }
    })
    .await;
    assert_eq!(
        written.load(Relaxed),
        so_far,
        "nothing was written meanwhile"
    );
    drop(paused);
    for db in &dbs {
        until_role(db, &new, Role::Primary).await;
    }
    until("writes after the pause", async || {
        written.load(Relaxed) > so_far + 50
    })
    .await;
    stop.store(true, Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let there = number(&dbs[0].primary(), COUNT).await;
    assert_eq!(u64::try_from(there).unwrap(), written.load(Relaxed));
}

/// What does not end in time is no pause, and nothing is held back then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stays_open_is_named_and_writes_go_on() {
    let cluster = cluster();
    let db = builder(&cluster).connect().await.unwrap();
    let txn = db.begin().await.unwrap();
    let err = db.cluster().pause_writes(50 * MS).await.unwrap_err();
    assert!(
        err.to_string()
            .contains("1 writes or transactions are under way"),
        "{err}"
    );
    insert(&db, 1).await.unwrap();
    txn.commit().await.unwrap();
    let paused = db
        .cluster()
        .pause_writes(Duration::from_secs(5))
        .await
        .unwrap();
    let held = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, 2).await }
    });
    // Reads go on, and so does a transaction that is declared read only.
    assert_eq!(number(&db, COUNT).await, 1);
    let read_only = db.begin_with_config(None, Some(sea_orm::AccessMode::ReadOnly));
    read_only.await.unwrap().commit().await.unwrap();
    assert!(!held.is_finished());
    drop(paused);
    held.await.unwrap().unwrap();
}

const URLS: &str = "SEALANETEST_PLANNED_URLS";

/// Not a test of its own: the application that [`two_processes_that_pause_see_no_error`] starts twice. It writes until it
/// is told to end, and does what its input says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes() {
    let Ok(urls) = std::env::var(URLS) else {
        return;
    };
    let mut urls = urls.split(' ');
    let db = sealane::RoutedConnection::builder()
        .primary(urls.next().unwrap())
        .replicas(urls)
        .connect()
        .await
        .unwrap();
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let errors = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..4)
        .map(|place| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            let (written, errors) = (Arc::clone(&written), Arc::clone(&errors));
            tokio::spawn(async move {
                while !stop.load(Relaxed) {
                    let done = match place % 2 {
                        0 => insert(&db, 1).await,
                        _ => short_transaction(&db).await,
                    };
                    match done {
                        Ok(()) => written.fetch_add(1, Relaxed),
                        Err(err) => {
                            println!("{err}");
                            errors.fetch_add(1, Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    let mut paused = None;
    // Each word is answered when writes went on before it.
    let mut seen = 0;
    println!("ready");
    loop {
        let line = blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            line
        });
        let word = line.await;
        if word.trim() != "resume" {
            until("writes", async || written.load(Relaxed) > seen + 50).await;
        }
        match word.trim() {
            "pause" => {
                paused = Some(
                    db.cluster()
                        .pause_writes(Duration::from_secs(10))
                        .await
                        .unwrap(),
                );
                println!("paused");
            }
            "resume" => {
                seen = written.load(Relaxed);
                drop(paused.take());
                println!("resumed");
            }
            _ => break,
        }
    }
    stop.store(true, Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    println!(
        "written={} errors={}",
        written.load(Relaxed),
        errors.load(Relaxed)
    );
}

async fn short_transaction(db: &sealane::RoutedConnection) -> Result<(), sea_orm::DbErr> {
    let txn = db.begin().await?;
    txn.execute_unprepared("INSERT INTO t VALUES (1)").await?;
    tokio::time::sleep(3 * MS).await;
    txn.commit().await
}

/// A started application.
struct Process {
    child: std::process::Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Process {
    fn start(urls: &str) -> Self {
        use std::io::BufRead as _;
        use std::process::{Command, Stdio};

        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "failover::planned::child_writes", "--nocapture"])
            .env(URLS, urls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.until("ready");
        process
    }

    fn until(&mut self, word: &str) -> String {
        loop {
            let line = self.lines.next().expect("it lives").unwrap();
            if line.contains(word) {
                return line;
            }
            println!("the application says: {line}");
        }
    }

    fn say(&mut self, word: &str, answer: &str) -> String {
        use std::io::Write as _;

        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{word}").unwrap();
        self.until(answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_processes_that_pause_see_no_error() {
    let cluster = cluster();
    let urls: Vec<String> = cluster.nodes().iter().map(|node| node.url()).collect();
    let mut processes = [(); 2].map(|()| Process::start(&urls.join(" ")));
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    for process in &mut processes {
        process.say("pause", "paused");
    }
    new.wait_caught_up_with(old).unwrap();
    old.stop(Stop::Fast).unwrap();
    new.promote().unwrap();
    other.repoint(new).unwrap();
    for process in &mut processes {
        process.say("resume", "resumed");
    }
    let mut written = 0;
    for process in &mut processes {
        let said = process.say("end", "written=");
        println!("{said}");
        let (count, errors) = said.trim().split_once(" errors=").unwrap();
        assert_eq!(errors, "0");
        written += count.rsplit('=').next().unwrap().parse::<u64>().unwrap();
    }
    let rows = new.sql("SELECT count(*) FROM t").unwrap();
    assert_eq!(
        rows.trim().parse::<u64>().unwrap(),
        written,
        "each was written once"
    );
    assert!(written > 100, "{written}");
}
