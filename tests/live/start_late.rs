//! Servers that come up after their application, and what asks for the primary while there is none (T14, C7).

use std::time::{Duration, Instant};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseExecutor, DbBackend, DbErr};
use sealane::{Error, RoutedConnection, drop_in};
use sealane_harness::{Cluster, Forwarder};

use crate::{
    fixture::{builder, cluster, number},
    place::until,
};

const LIMIT: Duration = Duration::from_secs(60);

async fn write(db: &RoutedConnection) -> Result<(), DbErr> {
    let text = "CREATE TABLE IF NOT EXISTS t (n int)";
    db.execute_unprepared(text).await.map(drop)
}

/// All servers are down when this begins, and up when it ends.
async fn while_they_come_up<T>(cluster: &Cluster, work: impl Future<Output = T>) -> T {
    let up = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| {
            cluster
                .nodes()
                .iter()
                .for_each(|node| node.start().unwrap())
        });
    };
    tokio::join!(work, up).0
}

fn down(cluster: &Cluster) {
    for node in cluster.nodes().iter().rev() {
        node.kill().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_servers_that_come_up_as_seaorms_does() {
    let cluster = cluster(1);
    for by_template in [true, false] {
        down(&cluster);
        let db = while_they_come_up(&cluster, async {
            if by_template {
                let mut options = ConnectOptions::new(cluster.primary().url());
                options.connect_timeout(LIMIT);
                drop_in::Database::connect(options).await.unwrap()
            } else {
                let builder = builder(&cluster).acquire_timeout(LIMIT);
                builder.connect().await.unwrap()
            }
        })
        .await;
        write(&db).await.unwrap();
    }
}

/// As where many processes start at once and a login takes longer than one attempt may (rule T6).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_gives_nodes_that_are_all_too_slow_more_time_with_each_attempt() {
    let cluster = cluster(0);
    let way = Forwarder::to(cluster.primary().addr()).unwrap();
    // A login takes several of these.
    way.delay(Duration::from_millis(100));
    let url = cluster.primary().url_at(way.addr(), "postgres");
    let builder = RoutedConnection::builder()
        .primary(url)
        .connect_timeout(Duration::from_millis(150))
        .acquire_timeout(LIMIT);
    let db = builder.connect().await.unwrap();
    // What one attempt has begun is there for the next one: one for the questions, and one for the pool.
    let opened = way.accepted();
    assert!(opened <= 2, "{opened} connections");
    way.heal();
    write(&db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_no_longer_than_the_options_say_and_never_for_what_does_not_pass() {
    let cluster = cluster(0);
    let begun = Instant::now();
    let missing = ConnectOptions::new(cluster.primary().url_of("missing"));
    let err = drop_in::Database::connect(missing).await.unwrap_err();
    assert!(err.to_string().contains("missing"), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(15), "at once");
    down(&cluster);
    let begun = Instant::now();
    let mut options = ConnectOptions::new(cluster.primary().url());
    options.connect_timeout(Duration::from_millis(600));
    let err = drop_in::Database::connect(options).await.unwrap_err();
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::Start { .. })),
        "{err}"
    );
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lazy_start_needs_no_server_and_what_asks_for_the_primary_gets_errors() {
    let cluster = cluster(1);
    down(&cluster);
    let mut options = ConnectOptions::new(cluster.primary().url());
    options
        .connect_lazy(true)
        .connect_timeout(Duration::from_millis(500));
    let db = RoutedConnection::builder()
        .connect_options(options)
        .replica(cluster.standby(0).url())
        .failover_timeout(Duration::from_millis(500))
        .connect()
        .await
        .unwrap();
    assert!(write(&db).await.is_err());
    // Migrations go this way, and ask for the backend first.
    let executor = DatabaseExecutor::from(&db);
    assert_eq!(executor.get_database_backend(), DbBackend::Postgres);
    assert!(executor.execute_unprepared("SELECT 1").await.is_err());
    let pool = db.get_postgres_connection_pool();
    assert!(pool.acquire().await.is_err());
    #[cfg(feature = "rbac")]
    assert!(db.load_rbac().await.is_err());
    assert!(db.ping().await.is_err());
    for node in cluster.nodes() {
        node.start().unwrap();
    }
    until("a write", async || write(&db).await.is_ok()).await;
    assert_eq!(number(db.concrete(), "SELECT count(*) FROM t").await, 0);
}

/// Rules that were put in force while there was no primary are in force for this handle, and for no other.
#[cfg(feature = "rbac")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_access_given_while_there_is_no_primary_stay_with_their_handle() {
    let cluster = cluster(1);
    down(&cluster);
    let start = || builder(&cluster).start_without_primary(true).connect();
    let (ours, other) = (start().await.unwrap(), start().await.unwrap());
    let user = || sea_orm::rbac::RbacUserId(1);
    ours.replace_rbac(rules());
    assert!(ours.restricted_for(user()).is_ok());
    assert!(other.restricted_for(user()).is_err());
    for node in cluster.nodes() {
        node.start().unwrap();
    }
    until("a write", async || write(&ours).await.is_ok()).await;
    assert!(ours.restricted_for(user()).is_ok());
}

#[cfg(feature = "rbac")]
fn rules() -> sea_orm::rbac::RbacEngine {
    sea_orm::rbac::RbacEngine::from_snapshot(sea_orm::rbac::RbacSnapshot::danger_unrestricted())
}
