//! What a log shows at `info`: one line on the configuration and one on the cluster at the start, changes, and no
//! statement, by whichever way the handle was made.

use sea_orm::{ConnectOptions, ConnectionTrait};
use sealane::{Config, RoutedConnection, drop_in::Database};
use sealane_harness::Cluster;
use tracing::Level;

use crate::{
    capture::Log,
    fixture::{sql, until},
};

async fn by_environment(cluster: &Cluster) -> RoutedConnection {
    let variables = [
        ("DATABASE_URL", cluster.primary().url()),
        ("DATABASE_REPLICA_URLS", cluster.standby(0).url()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_string()));
    let config = Config::from_vars(variables).unwrap();
    RoutedConnection::connect(config).await.unwrap()
}

async fn by_template(cluster: &Cluster) -> RoutedConnection {
    RoutedConnection::builder()
        .connect_options(ConnectOptions::new(cluster.primary().url().to_string()))
        .replica(cluster.standby(0).url())
        .connect()
        .await
        .unwrap()
}

async fn by_drop_in(cluster: &Cluster) -> RoutedConnection {
    let url = cluster.primary().url().to_string();
    Database::connect(ConnectOptions::new(url)).await.unwrap()
}

#[tokio::test]
async fn statements_are_silent_above_debug_however_the_handle_was_made() {
    let cluster = Cluster::builder().standbys(1).start().unwrap();
    for way in ["environment", "template", "drop-in"] {
        let (log, _listening) = Log::listen(Level::INFO);
        let db = match way {
            "environment" => by_environment(&cluster).await,
            "template" => by_template(&cluster).await,
            _ => by_drop_in(&cluster).await,
        };
        db.execute_unprepared("CREATE TABLE IF NOT EXISTS quiet (i int)")
            .await
            .unwrap();
        for _ in 0..5 {
            db.query_all_raw(sql(&db, "SELECT i FROM quiet"))
                .await
                .unwrap();
        }
        until("the catalog is read again", async || {
            db.replica()
                .query_all_raw(sql(&db, "SELECT i FROM quiet"))
                .await
                .is_ok()
        })
        .await;
        let said = log.take_events();
        for word in ["SELECT", "CREATE", "pg_catalog", "sqlx::query"] {
            assert!(!said.contains(word), "{way}: `{word}` in {said}");
        }
        let started: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("started: "))
            .collect();
        assert_eq!(started.len(), 1, "{way}: {said}");
        assert!(
            started[0].contains("is the primary (timeline 1)"),
            "{way}: {started:?}"
        );
    }
}

#[tokio::test]
async fn a_main_that_returns_our_error_prints_its_text() {
    let err = Config::from_vars([]).unwrap_err();
    assert_eq!(format!("{err:?}"), err.to_string());
    let err = sealane::Error::from(err);
    assert_eq!(format!("{err:?}"), err.to_string());
    let refused = RoutedConnection::builder()
        .primary("postgres://app@127.0.0.1:1/app")
        .connect_timeout(std::time::Duration::from_millis(200))
        .acquire_timeout(std::time::Duration::from_millis(200))
        .connect()
        .await
        .unwrap_err();
    assert_eq!(format!("{refused:?}"), refused.to_string());
    let boxed: Box<dyn std::error::Error> = sea_orm::DbErr::from(refused).into();
    assert!(format!("{boxed:?}").contains("cannot start"), "{boxed:?}");
}
