//! Credentials that cannot be had, or that are others than one thinks: functions that hang, files that are half written,
//! servers that change their part (rule T16).

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectOptions, ConnectionTrait};
use sealane::{Builder, Credentials, NodeConfig, RoutedConnection};
use tokio::runtime::Handle;

use crate::{
    credentials::{Load, builder, change, cluster, statement, until_all_are_new, url},
    fixture::number,
    place::until,
};

const MS: Duration = Duration::from_millis(1);

/// What a function does that is asked.
#[derive(Clone, Debug)]
enum Answer {
    Gives(Credentials),
    Hangs,
    Panics,
    Fails,
}

/// A function whose behaviour changes, and how often it was asked.
#[derive(Clone)]
struct Vault(Arc<Mutex<Answer>>, Arc<AtomicUsize>);

impl Vault {
    fn with(credentials: Credentials) -> Self {
        let answer = Arc::new(Mutex::new(Answer::Gives(credentials)));
        Self(answer, Arc::default())
    }

    fn now(&self, answer: Answer) {
        *self.0.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.1.load(SeqCst)
    }

    /// `late`: how long it takes.
    fn of(&self, builder: Builder, late: Duration) -> Builder {
        let own = self.clone();
        builder.credentials(move |_| {
            own.1.fetch_add(1, SeqCst);
            let answer = own.0.lock().unwrap().clone();
            async move {
                tokio::time::sleep(late).await;
                match answer {
                    Answer::Gives(credentials) => Ok(credentials),
                    Answer::Hangs => std::future::pending().await,
                    Answer::Panics => panic!("on purpose"),
                    Answer::Fails => Err("the vault is sealed".into()),
                }
            }
        })
    }
}

/// What there is does for as long as it is valid, and connects all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_hangs_or_panics_fails_no_statement_while_its_last_answer_does() {
    let cluster = cluster("first");
    let first = Credentials::password("first").valid_for(100 * MS);
    let vault = Vault::with(first.clone());
    let db = vault.of(builder(&cluster), Duration::ZERO);
    let db = db.connect().await.unwrap();
    let load = Load::start(&db);
    for answer in [Answer::Hangs, Answer::Panics, Answer::Fails] {
        vault.now(answer);
        tokio::time::sleep(300 * MS).await;
        let since = Instant::now();
        for node in cluster.nodes() {
            // Its monitor connects anew as well. A transaction of the load's would be lost with its connection.
            node.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sealane-%' AND pid <> pg_backend_pid()")
                .unwrap();
        }
        until_all_are_new(&cluster, since).await;
    }
    // Once it answers, it is heard.
    change(&cluster, "app", "second");
    vault.now(Answer::Gives(Credentials::password("second")));
    let since = Instant::now();
    until_all_are_new(&cluster, since).await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_refused_logins_ask_a_slow_function_once() {
    let cluster = cluster("first");
    let vault = Vault::with(Credentials::password("first"));
    let db = vault.of(builder(&cluster).max_connections(20), 100 * MS);
    let db = db.connect().await.unwrap();
    tokio::time::sleep(200 * MS).await;
    let before = vault.asked();
    change(&cluster, "app", "second");
    tokio::time::sleep(200 * MS).await;
    let begun = Instant::now();
    let statements = (0..20).map(|_| {
        let db = db.clone();
        async move {
            db.execute_unprepared("INSERT INTO log SELECT 1 FROM pg_sleep(0.1)")
                .await
        }
    });
    let done = futures_util::future::join_all(statements).await;
    let took = begun.elapsed();
    println!("{took:?}, asked {} times", vault.asked() - before);
    // Whoever found a connection needs no login.
    let refused: Vec<_> = done.iter().filter_map(|one| one.as_ref().err()).collect();
    let err = refused.first().map(ToString::to_string).unwrap_or_default();
    assert!(err.contains("password authentication failed"), "{done:?}");
    // Two nodes, once a second.
    let most = 2 * (2 + usize::try_from(took.as_secs()).unwrap());
    assert!(vault.asked() - before <= most, "{}", vault.asked() - before);
}

#[tokio::test]
async fn a_function_that_gives_a_user_no_more_means_the_urls_again() {
    let cluster = cluster("first");
    let sql = "CREATE ROLE heir LOGIN PASSWORD 'second' IN ROLE pg_monitor, app";
    cluster.primary().sql(sql).unwrap();
    cluster.wait_caught_up().unwrap();
    let heir = Credentials::password("second").with_user("heir");
    let vault = Vault::with(heir.valid_for(100 * MS));
    let db = vault.of(builder(&cluster), Duration::ZERO);
    let db = db.connect().await.unwrap();
    statement(&db, 0).await.unwrap();
    vault.now(Answer::Gives(Credentials::password("first")));
    cluster.primary().sql("ALTER ROLE heir NOLOGIN").unwrap();
    cluster.wait_caught_up().unwrap();
    for node in cluster.nodes() {
        node.terminate_connections().unwrap();
    }
    for kind in 0..4 {
        statement(&db, kind).await.unwrap();
    }
    let user = "SELECT (current_user = 'app')::int::int8";
    assert_eq!(number(&db, user).await, 1);
}

#[tokio::test]
async fn a_file_that_is_being_written_is_read_again() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\r\n").unwrap();
    let db = builder(&cluster).password_file(&file);
    let db = db.connect().await.unwrap();
    std::fs::write(&file, "").unwrap();
    change(&cluster, "app", "second");
    tokio::time::sleep(200 * MS).await;
    let late = async {
        tokio::time::sleep(400 * MS).await;
        std::fs::write(&file, "second").unwrap();
    };
    let (done, ()) = tokio::join!(statement(&db, 0), late);
    done.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_takes_the_last_password() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first").unwrap();
    let db = builder(&cluster).password_file(&file);
    let db = db.connect().await.unwrap();
    statement(&db, 0).await.unwrap();
    change(&cluster, "app", "second");
    std::fs::write(&file, "second").unwrap();
    cluster.primary().kill().unwrap();
    cluster.standby(0).promote().unwrap();
    until("a write", async || statement(&db, 0).await.is_ok()).await;
    cluster
        .standby(0)
        .sql("ALTER ROLE app PASSWORD 'third'")
        .unwrap();
    std::fs::write(&file, "third").unwrap();
    tokio::time::sleep(300 * MS).await;
    for kind in 0..4 {
        statement(&db, kind).await.unwrap();
    }
}

#[tokio::test]
async fn nodes_that_come_later_have_the_file_too() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first").unwrap();
    let db = RoutedConnection::builder()
        .primary(url(cluster.primary(), "app"))
        .password_file(&file);
    let db = db.connect().await.unwrap();
    let primary = NodeConfig::primary(url(cluster.primary(), "app")).unwrap();
    let replica = primary
        .replica_like(cluster.standby(0).addr().to_string())
        .unwrap();
    db.cluster()
        .replace_nodes([primary, replica])
        .await
        .unwrap();
    until("the replica serves", async || {
        let nodes = db.cluster().topology().nodes;
        nodes.len() == 2 && nodes[1].ineligible.is_none()
    })
    .await;
}

/// As SeaORM gives it: without replicas the pool is the handle's own.
#[tokio::test]
async fn the_callers_options_and_pool_take_other_passwords() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first").unwrap();
    let mut options = ConnectOptions::new(url(cluster.primary(), "app"));
    // The file's is put on top.
    options.map_sqlx_postgres_opts(|options| options.password("of the closure"));
    let config = RoutedConnection::builder()
        .connect_options(options)
        .password_file(&file);
    let config = config.build().unwrap();
    let db = RoutedConnection::connect(config.clone()).await.unwrap();
    let pool = db.get_postgres_connection_pool().clone();
    let asks = async || sea_orm::sqlx::query("SELECT 1").execute(&pool).await;
    asks().await.unwrap();
    change(&cluster, "app", "second");
    std::fs::write(&file, "second").unwrap();
    tokio::time::sleep(1500 * MS).await;
    cluster.primary().terminate_connections().unwrap();
    tokio::time::sleep(100 * MS).await;
    until("the pool to log in", async || asks().await.is_ok()).await;
    let second = RoutedConnection::connect(config).await.unwrap();
    statement(&second, 0).await.unwrap();
    drop(db);
    statement(&second, 0).await.unwrap();
}

#[tokio::test]
async fn a_start_does_not_wait_for_ever_and_nothing_is_left() {
    let cluster = cluster("first");
    let before = Handle::current().metrics().num_alive_tasks();
    let vault = Vault::with(Credentials::password("first"));
    for (answer, said) in [
        (Answer::Hangs, "gave no answer in time"),
        (Answer::Panics, "panicked"),
        (Answer::Fails, "the vault is sealed"),
        (Answer::Gives(Credentials::password("")), "password"),
    ] {
        vault.now(answer.clone());
        let begun = Instant::now();
        let db = match answer {
            Answer::Hangs => builder(&cluster).acquire_timeout(Duration::from_secs(3)),
            _ => builder(&cluster),
        };
        let db = vault.of(db, Duration::ZERO);
        let err = db.connect().await.unwrap_err().to_string();
        println!("{answer:?} {:?}: {err}", begun.elapsed());
        assert!(err.contains(said), "{err}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}");
    }
    vault.now(Answer::Gives(
        Credentials::password("first").valid_for(100 * MS),
    ));
    let db = vault.of(builder(&cluster), Duration::ZERO);
    let db = db.connect().await.unwrap();
    statement(&db, 0).await.unwrap();
    drop(db);
    until("no task is left", async || {
        Handle::current().metrics().num_alive_tasks() <= before
    })
    .await;
}

/// One replica with a wrong password is its own matter.
#[tokio::test]
async fn a_replica_that_refuses_slows_no_read() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let (file, wrong) = (folder.path().join("password"), folder.path().join("wrong"));
    std::fs::write(&file, "first").unwrap();
    std::fs::write(&wrong, "wrong").unwrap();
    let begun = Instant::now();
    let db = builder(&cluster)
        .password_file(&file)
        .replica_password_file(&wrong);
    let db = db.connect().await.unwrap();
    println!("start {:?}", begun.elapsed());
    let begun = Instant::now();
    for kind in 0..4 {
        statement(&db, kind).await.unwrap();
    }
    println!("statements {:?}", begun.elapsed());
    // Not one of them as long as a refused login is tried again, which is SEALANE_ACQUIRE_TIMEOUT.
    let most = Duration::from_secs(25);
    assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
    // It is wrong while the application runs.
    std::fs::write(&wrong, "first").unwrap();
    until("the replica serves", async || {
        db.cluster().topology().nodes[1].ineligible.is_none()
    })
    .await;
    std::fs::write(&wrong, "wrong").unwrap();
    tokio::time::sleep(1500 * MS).await;
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        statement(&db, 2).await.unwrap();
        statement(&db, 3).await.unwrap();
        longest = longest.max(begun.elapsed());
        tokio::time::sleep(50 * MS).await;
    }
    println!("longest read {longest:?}");
}

/// A secret that is mounted late is nothing that anybody has to be started again for.
#[tokio::test]
async fn replicas_serve_though_no_password_was_there_at_the_start() {
    let cluster = cluster("first");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let db = builder(&cluster)
        .password_file(&file)
        .start_without_primary(true)
        .check_interval(50 * MS);
    let db = db.connect().await.unwrap();
    std::fs::write(&file, "first").unwrap();
    until("a read that a replica may serve", async || {
        let read = "SELECT count(*) FROM pg_catalog.pg_class";
        db.explain(read).reason == sealane::Reason::Replica
    })
    .await;
    // Also by what only the catalog tells to be harmless.
    until("a view to be known", async || {
        db.explain("SELECT * FROM pg_catalog.pg_tables").reason == sealane::Reason::Replica
    })
    .await;
}
