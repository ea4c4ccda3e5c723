//! Passwords and users that change while the application runs, on servers that ask for them (rule T16).

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DbErr, TransactionTrait, sqlx};
use sealane::{Builder, Consistency, Credentials, CredentialsRequest, RoutedConnection};
use sealane_harness::{Cluster, Node};

use crate::{fixture::number, place::until};

const MS: Duration = Duration::from_millis(1);

/// How often a password is changed, and how long a token lives.
const CHANGE: Duration = Duration::from_millis(500);
const CHANGES: usize = 8;

/// A primary and a standby that ask for passwords, and a role `app` with this one.
pub(crate) fn cluster(password: &str) -> Cluster {
    let cluster = Cluster::builder()
        .standbys(1)
        .password(Some("administrator"));
    let cluster = cluster.start().unwrap();
    let primary = cluster.primary();
    primary
        .sql(&format!(
            "CREATE ROLE app LOGIN PASSWORD '{password}' IN ROLE pg_monitor"
        ))
        .unwrap();
    primary.sql("CREATE TABLE log (n bigint)").unwrap();
    primary.sql("GRANT ALL ON log TO app").unwrap();
    cluster.wait_caught_up().unwrap();
    cluster
}

/// The standby learns of it as of every write.
pub(crate) fn change(cluster: &Cluster, role: &str, password: &str) {
    let sql = format!("ALTER ROLE {role} PASSWORD '{password}'");
    cluster.primary().sql(&sql).unwrap();
    cluster.wait_caught_up().unwrap();
}

pub(crate) fn url(node: &Node, user: &str) -> String {
    format!("postgres://{user}@{}/postgres", node.addr())
}

/// Connections live for a moment only, so that new ones log in all the time.
pub(crate) fn builder(cluster: &Cluster) -> Builder {
    RoutedConnection::builder()
        .primary(format!("{}?name=primary", url(cluster.primary(), "app")))
        .replica(format!("{}?name=one", url(cluster.standby(0), "app")))
        .max_lifetime(100 * MS)
}

/// Reads, writes and transactions, as many as there are; what failed.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<DbErr>>>,
    done: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn start(db: &RoutedConnection) -> Self {
        let (over, done) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let task = |kind: usize| {
            let (db, over, done) = (db.clone(), Arc::clone(&over), Arc::clone(&done));
            tokio::spawn(async move {
                let mut failed = Vec::new();
                while !over.load(Relaxed) {
                    failed.extend(statement(&db, kind).await.err());
                    done.fetch_add(1, Relaxed);
                    tokio::time::sleep(MS).await;
                }
                failed
            })
        };
        Self {
            tasks: (0..4).map(task).collect(),
            over,
            done,
        }
    }

    pub(crate) async fn end(self) {
        self.over.store(true, Relaxed);
        let mut failed = Vec::new();
        for task in self.tasks {
            failed.extend(task.await.unwrap());
        }
        println!("{} statements", self.done.load(Relaxed));
        assert!(failed.is_empty(), "{} failed: {}", failed.len(), failed[0]);
    }
}

pub(crate) async fn statement(db: &RoutedConnection, kind: usize) -> Result<(), DbErr> {
    const READ: &str = "SELECT count(*) FROM log";
    match kind {
        0 => db
            .execute_unprepared("INSERT INTO log VALUES (1)")
            .await
            .map(drop),
        1 => {
            let txn = db.begin().await?;
            txn.execute_unprepared("INSERT INTO log VALUES (2)").await?;
            txn.commit().await
        }
        2 => db
            .query_one_raw(crate::fixture::sql(db, READ))
            .await
            .map(drop),
        _ => {
            let db = db.with_consistency(Consistency::Eventual);
            db.query_one_raw(crate::fixture::sql(&db, READ))
                .await
                .map(drop)
        }
    }
}

/// A connection of each kind is opened after the last change.
pub(crate) async fn until_all_are_new(cluster: &Cluster, since: Instant) {
    let age = || format!("interval '{} milliseconds'", since.elapsed().as_millis());
    until("connections that logged in since", async || {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename IN ('app', 'heir') AND backend_start > now() - {}",
            age()
        );
        let new = |node: &Node| node.sql(&sql).unwrap().trim() != "0";
        cluster.nodes().iter().all(new)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_in_a_file_that_changes_fails_no_statement() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let db = builder(&cluster)
        .password_file(&file)
        .connect()
        .await
        .unwrap();
    let load = Load::start(&db);
    let mut changed = Instant::now();
    for change_number in 0..CHANGES {
        tokio::time::sleep(CHANGE).await;
        changed = Instant::now();
        let password = format!("number {change_number}");
        // Either may come first.
        if change_number % 2 == 0 {
            change(&cluster, "app", &password);
            tokio::time::sleep(50 * MS).await;
            std::fs::write(&file, &password).unwrap();
        } else {
            std::fs::write(&file, &password).unwrap();
            tokio::time::sleep(50 * MS).await;
            change(&cluster, "app", &password);
        }
    }
    until_all_are_new(&cluster, changed).await;
    load.end().await;
    assert!(number(&db, "SELECT count(*) FROM log").await > 0);
}

/// Also on connections of `concrete()`, which nobody looks after: a token is there before it is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_live_for_a_moment_fail_no_statement() {
    let cluster = cluster("token 0");
    let token = Arc::new(Mutex::new("token 0".to_owned()));
    let given = Arc::clone(&token);
    let db = builder(&cluster)
        .credentials(move |_| {
            let token = given.lock().unwrap().clone();
            async move { Ok(Credentials::password(token).valid_for(CHANGE / 5)) }
        })
        .connect()
        .await
        .unwrap();
    let load = Load::start(&db);
    for change_number in 1..=CHANGES {
        let next = format!("token {change_number}");
        change(&cluster, "app", &next);
        *token.lock().unwrap() = next;
        tokio::time::sleep(CHANGE / 2).await;
        // Nobody's statement has to be refused before: the pool has the next one by itself.
        until("its pool to have the token", async || {
            let Ok(mut conn) = db.get_postgres_connection_pool().acquire().await else {
                return false;
            };
            sqlx::query("SELECT 1").execute(&mut *conn).await.unwrap();
            conn.close().await.unwrap();
            true
        })
        .await;
        tokio::time::sleep(CHANGE / 2).await;
    }
    load.end().await;
}

#[tokio::test]
async fn a_refused_login_asks_its_provider_once_and_goes_on_as_another_user() {
    let cluster = cluster("first");
    let asked: Arc<Mutex<Vec<CredentialsRequest>>> = Arc::default();
    let now = Arc::new(Mutex::new(Credentials::password("first")));
    let (noted, given) = (Arc::clone(&asked), Arc::clone(&now));
    let db = builder(&cluster)
        .max_lifetime(Duration::from_secs(60))
        .credentials(move |request| {
            noted.lock().unwrap().push(request);
            let credentials = given.lock().unwrap().clone();
            async move { Ok(credentials) }
        })
        .connect()
        .await
        .unwrap();
    statement(&db, 0).await.unwrap();
    let at_start = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!(at_start.len(), 2, "once for each node: {at_start:?}");
    for request in &at_start {
        assert_eq!(request.user.as_deref(), Some("app"));
        assert_eq!(request.host.as_deref(), Some("127.0.0.1"));
        assert!(!request.refused);
    }

    // Another user takes over, and the old one may not come in any more.
    let primary = cluster.primary();
    primary
        .sql("CREATE ROLE heir LOGIN PASSWORD 'second' IN ROLE pg_monitor, app")
        .unwrap();
    cluster.wait_caught_up().unwrap();
    // Before the first refusal: a connection may be opened at any time, and whoever is refused asks.
    *now.lock().unwrap() = Credentials::password("second").with_user("heir");
    primary.sql("ALTER ROLE app NOLOGIN").unwrap();
    cluster.wait_caught_up().unwrap();
    for node in cluster.nodes() {
        node.terminate_connections().unwrap();
    }
    for kind in 0..4 {
        statement(&db, kind).await.unwrap();
    }
    until("each node to be asked for", async || {
        asked.lock().unwrap().len() >= 2
    })
    .await;
    let after: Vec<_> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|one| (one.port, one.refused))
        .collect();
    let mut ports: Vec<_> = after.iter().map(|(port, _)| *port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(
        (after.len(), ports.len()),
        (2, 2),
        "once for each node: {after:?}"
    );
    assert!(after.iter().all(|(_, refused)| *refused), "{after:?}");
    let user = "SELECT (current_user = 'heir')::int::int8";
    assert_eq!(number(&db, user).await, 1);
}

#[tokio::test]
async fn a_line_of_a_password_file_is_for_its_node() {
    let cluster = cluster("shared");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwords");
    let lines: String = cluster
        .nodes()
        .iter()
        .map(|node| format!("127.0.0.1:{}:*:app:shared\n", node.port()))
        .collect();
    std::fs::write(
        &file,
        format!("# ours\nelsewhere:*:*:*:wrong\n{lines}*:*:*:*:wrong\n"),
    )
    .unwrap();
    let passfile = format!("?passfile={}", file.display());
    let db = RoutedConnection::builder()
        .primary(url(cluster.primary(), "app") + &passfile)
        .replica(cluster.standby(0).addr().to_string())
        .connect()
        .await
        .unwrap();
    assert_eq!(number(&db, "SELECT 1::int8").await, 1);
    until("the replica serves", async || {
        db.cluster().topology().nodes[1].ineligible.is_none()
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_named_and_no_secret_is() {
    let cluster = cluster("right");
    let folder = tempfile::tempdir().unwrap();
    let start = async |builder: Builder| {
        let begun = Instant::now();
        let err = builder.connect().await.unwrap_err().to_string();
        // It waits as long as it may for a connection, and no longer.
        assert!(begun.elapsed() < Duration::from_secs(60), "{err}");
        err
    };
    let err = start(builder(&cluster).password_file(folder.path().join("nowhere"))).await;
    assert!(
        err.contains("password_file names a file that cannot be read"),
        "{err}"
    );
    assert!(!err.contains("nowhere"), "{err}");

    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let err = start(builder(&cluster).password_file(&empty)).await;
    assert!(err.contains("password_file names an empty file"), "{err}");

    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "canary").unwrap();
    let err = start(builder(&cluster).password_file(&wrong)).await;
    assert!(
        err.contains("password authentication failed") && !err.contains("canary"),
        "{err}"
    );

    let err =
        start(builder(&cluster).credentials(|_| async { Err("the vault is sealed".into()) })).await;
    assert!(
        err.contains("the credentials provider failed: the vault is sealed"),
        "{err}"
    );
}
