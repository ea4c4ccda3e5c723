//! What is said where a server gives no connection: which, where, in which phase, what bounds that, and its own answer.

use std::{error::Error as _, time::Duration};

use sea_orm::{ConnAcquireErr, ConnectionTrait, DbErr, Statement, TransactionTrait};
use sealane::{Config, Error, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use crate::{faults::running, heard::Heard, place::until};

const LIMITS: [(&str, &str); 3] = [
    ("SEALANE_ACQUIRE_TIMEOUT", "700ms"),
    ("SEALANE_FAILOVER_TIMEOUT", "300ms"),
    ("SEALANE_MIN_CONNECTIONS", "0"),
];

/// A cluster that asks for a password, which no text may show.
fn cluster(standbys: usize) -> Cluster {
    let cluster = Cluster::builder()
        .standbys(standbys)
        .password(Some("hunter2"));
    cluster.start().unwrap()
}

/// Configured by variables, since errors name them.
async fn connected(url: &str, more: &[(&str, &str)]) -> RoutedConnection {
    let primary = format!("{url}?name=main");
    let all = [("DATABASE_URL", &*primary)].into_iter().chain(LIMITS);
    let all = all.chain(more.iter().copied());
    let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::from_vars(all).unwrap();
    RoutedConnection::connect(config).await.unwrap()
}

async fn write(db: &RoutedConnection) -> DbErr {
    let done = db.execute_unprepared("CREATE TABLE t (n int)").await;
    done.expect_err("no connection")
}

/// This error says all of these, and where the node is.
fn says(err: &DbErr, node: &Node, parts: &[&str]) {
    let text = err.to_string();
    let place = format!("127.0.0.1:{}", node.port());
    for part in [&*place, "was not sent"].iter().chain(parts) {
        assert!(text.contains(part), "lacks {part}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!text.contains("pool timed out"), "{text}");
}

#[tokio::test]
async fn a_full_pool_names_its_node_the_phase_and_the_variables() {
    let cluster = cluster(0);
    let db = connected(
        &cluster.primary().url(),
        &[("SEALANE_MAX_CONNECTIONS", "1")],
    )
    .await;
    let held = db.begin().await.unwrap();
    let parts = [
        "`main`",
        "while waiting for a connection",
        "SEALANE_ACQUIRE_TIMEOUT=700ms",
        "SEALANE_MAX_CONNECTIONS=1",
    ];
    for err in [write(&db).await, db.begin().await.map(drop).unwrap_err()] {
        says(&err, cluster.primary(), &parts);
        assert!(Error::from_db_err(&err).unwrap().is_retriable());
    }
    held.rollback().await.unwrap();
    db.execute_unprepared("CREATE TABLE t (n int)")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_role_at_its_limit_is_told_in_the_servers_own_words() {
    let cluster = cluster(0);
    let node = cluster.primary();
    node.sql("CREATE ROLE few LOGIN PASSWORD 'hunter2'")
        .unwrap();
    let few = node.url().replace("postgres:hunter2@", "few:hunter2@");
    let db = connected(&few, &[]).await;
    node.sql("ALTER ROLE few CONNECTION LIMIT 1").unwrap();
    // Whatever else has a connection gives it back some time, and one that is held too is none the less.
    let mut held = Vec::new();
    let mut refused = None;
    until("the limit", async || match db.begin().await {
        Ok(txn) => {
            held.push(txn);
            false
        }
        Err(err) => {
            let told = err.to_string().contains("too many");
            refused = Some(err);
            told
        }
    })
    .await;
    let err = refused.unwrap();
    says(
        &err,
        node,
        &[
            "`main`",
            "while waiting for a connection",
            "SEALANE_ACQUIRE_TIMEOUT=700ms",
            "too many connections for role \"few\" (53300)",
            "SEALANE_MAX_CONNECTIONS",
        ],
    );
    let source = Error::from_db_err(&err).unwrap().source().unwrap();
    assert!(
        source.to_string().contains("too many connections"),
        "{source}"
    );
}

/// Why a check of the monitor failed is told beside, and takes nothing from what code knows by its variant.
#[tokio::test]
async fn a_full_pool_stays_seaorms_error_while_the_server_lets_nobody_in() {
    let cluster = cluster(0);
    let node = cluster.primary();
    node.sql("CREATE ROLE few LOGIN PASSWORD 'hunter2'")
        .unwrap();
    let few = node.url().replace("postgres:hunter2@", "few:hunter2@");
    let (heard, _guard) = Heard::listen();
    let db = RoutedConnection::builder()
        .primary(few)
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(1))
        .check_interval(Duration::from_millis(100))
        .keep_seaorm_errors();
    let db = db.connect().await.unwrap();
    let held = db.begin().await.unwrap();
    let text = "SELECT pg_backend_pid() AS pid";
    let row = Statement::from_string(held.get_database_backend(), text);
    let row = held.query_one_raw(row).await.unwrap().unwrap();
    let pid: i32 = row.try_get("", "pid").unwrap();
    node.sql("ALTER ROLE few CONNECTION LIMIT 1").unwrap();
    until("the refusal to be told", async || {
        // The monitor has to open one anew.
        node.sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few' AND pid <> {pid}"
        ))
        .unwrap();
        let err = db.begin().await.map(drop).unwrap_err();
        assert_eq!(err, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        let told = heard.warnings().into_iter();
        let mut told = told.filter(|line| line.contains("gave no connection"));
        told.any(|line| line.contains("too many connections for role"))
    })
    .await;
    held.rollback().await.unwrap();
}

#[tokio::test]
async fn what_broke_off_and_found_no_other_node_is_not_called_unsent() {
    let cluster = cluster(1);
    let (node, standby) = (cluster.primary(), cluster.standby(0));
    let variables = [
        ("DATABASE_REPLICA_URL", &*standby.url()),
        ("SEALANE_ROUTE_TIMEOUT", "1s"),
    ];
    let db = connected(&node.url(), &variables).await;
    node.kill().unwrap();
    until("the loss", async || {
        let nodes = db.cluster().topology().nodes;
        nodes.iter().all(|node| node.role != Role::Primary)
    })
    .await;
    let text = "SELECT pg_sleep(30) AS broken";
    until("the standby for reads", async || {
        db.explain(text).reason == sealane::Reason::Replica
    })
    .await;
    let reads = || {
        let db = db.clone();
        tokio::spawn(async move {
            db.query_one_raw(Statement::from_string(db.get_database_backend(), text))
                .await
        })
    };
    let mut read = reads();
    until("the read to run", async || {
        // On a busy machine the standby may be in doubt for longer than a read waits for a node.
        if read.is_finished() {
            read = reads();
        }
        running(standby, "broken") > 0
    })
    .await;
    standby.kill().unwrap();
    let err = read.await.unwrap().unwrap_err();
    let text = err.to_string();
    assert!(text.contains("the statement was not executed"), "{text}");
    assert!(!text.contains("was not sent"), "{text}");
    let ours = Error::from_db_err(&err).unwrap();
    assert!(
        matches!(ours, Error::NoPrimary { sent: true, .. }),
        "{text}"
    );
    assert!(ours.source().is_some(), "what it broke off with: {text}");
    // What comes now is sent to nobody.
    let text = write(&db).await.to_string();
    assert!(text.contains("the statement was not sent"), "{text}");
}

#[tokio::test]
async fn a_primary_that_is_gone_is_named_with_where_it_was_and_what_the_system_says() {
    let cluster = cluster(1);
    let (node, replica) = (cluster.primary(), cluster.standby(0).url());
    let (heard, _listening) = Heard::listen();
    let db = connected(&node.url(), &[("DATABASE_REPLICA_URL", &replica)]).await;
    node.kill().unwrap();
    until("the loss", async || {
        let nodes = db.cluster().topology().nodes;
        nodes.iter().all(|node| node.role != Role::Primary)
    })
    .await;
    let err = write(&db).await;
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::NoPrimary { .. })),
        "{err}"
    );
    says(
        &err,
        node,
        &[
            "SEALANE_FAILOVER_TIMEOUT=300ms",
            "the last primary was main",
            "refused",
        ],
    );
    let told = heard.warnings().into_iter();
    let told: Vec<_> = told
        .filter(|line| line.contains("no node is known to be the primary"))
        .collect();
    let parts = [
        "the last primary was main",
        "300ms (SEALANE_FAILOVER_TIMEOUT)",
    ];
    for part in parts {
        assert!(
            told.iter().any(|line| line.contains(part)),
            "{part}: {told:#?}"
        );
    }
    db.close().await.unwrap();

    let config = Config::from_vars([
        (
            "DATABASE_URL".to_owned(),
            format!("{}?name=main", node.url()),
        ),
        ("SEALANE_ACQUIRE_TIMEOUT".to_owned(), "300ms".to_owned()),
    ]);
    let err = RoutedConnection::connect(config.unwrap())
        .await
        .unwrap_err();
    let text = err.to_string();
    for part in [
        "`main`",
        &node.port().to_string(),
        "SEALANE_ACQUIRE_TIMEOUT=300ms",
        "refused",
    ] {
        assert!(text.contains(part), "lacks {part}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn one_server_under_two_names_is_called_that_and_nothing_else() {
    let cluster = cluster(0);
    let port = cluster.primary().port().to_string();
    let url = cluster.primary().url();
    let other = url.replace("127.0.0.1", "localhost");
    for (primary, replica) in [(&url, &other), (&other, &url)] {
        let (heard, guard) = Heard::listen();
        let db = RoutedConnection::builder()
            .primary(primary)
            .replica(replica);
        let db = db.connect().await.unwrap();
        db.execute_unprepared("CREATE TABLE IF NOT EXISTS t (n int)")
            .await
            .unwrap();
        let said = || {
            let mut said = heard.warnings();
            // A busy machine may be too slow for a check, which says nothing of names.
            said.retain(|line| line.contains(&port) && !line.contains("timed_out"));
            said
        };
        until("the name to be told", async || !said().is_empty()).await;
        db.close().await.unwrap();
        drop(guard);
        let said = said();
        assert_eq!(said.len(), 1, "{said:?}");
        let right = "it is the primary under another name; list each server once";
        assert!(said[0].contains(right), "{said:?}");
    }
}
