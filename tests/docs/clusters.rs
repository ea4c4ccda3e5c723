//! Two clusters of one process stay apart in metrics and log lines.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sea_orm::ConnectionTrait;
use sealane::{Config, RoutedConnection};
use tracing::Level;

use crate::capture::Log;

/// One series with its value.
type Series = (metrics::Key, DebugValue);

/// A cluster of one SQLite file, from the environment of that prefix.
async fn connect(prefix: &str, folder: &tempfile::TempDir) -> RoutedConnection {
    let path = folder.path().join(format!("{prefix}.db"));
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let variables = [(format!("{prefix}DATABASE_URL"), url)];
    let config = Config::from_vars_with_prefix(prefix, variables).unwrap();
    RoutedConnection::connect(config).await.unwrap()
}

/// How many writes this cluster's series count.
fn writes(seen: &[Series], cluster: &str) -> u64 {
    let of_cluster = seen.iter().filter(|(key, _)| {
        let label = |name: &str, value: &str| {
            key.labels()
                .any(|label| label.key() == name && label.value() == value)
        };
        key.name() == "sealane_statements_total"
            && label("cluster", cluster)
            && label("role", "primary")
    });
    of_cluster
        .map(|(_, value)| match value {
            DebugValue::Counter(value) => *value,
            other => panic!("{other:?}"),
        })
        .sum()
}

#[tokio::test]
async fn two_clusters_of_one_process_count_and_log_apart() {
    let (log, _listening) = Log::listen(Level::INFO);
    let folder = tempfile::tempdir().unwrap();
    let left = connect("LEFT_", &folder).await;
    let right = connect("RIGHT_", &folder).await;
    for _ in 0..3 {
        left.execute_unprepared("SELECT 1").await.unwrap();
    }
    right.execute_unprepared("SELECT 1").await.unwrap();

    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    left.cluster().export_metrics().await.unwrap();
    right.cluster().export_metrics().await.unwrap();
    let seen = recorder.snapshotter().snapshot().into_vec();
    let seen = seen.into_iter();
    let seen: Vec<Series> = seen
        .map(|(key, _, _, value)| (key.key().clone(), value))
        .collect();
    assert_eq!(writes(&seen, "left"), 3);
    assert_eq!(writes(&seen, "right"), 1);

    let lines = log.text();
    let connecting = |name: &str| {
        let cluster = format!("cluster=\"{name}\"");
        lines
            .lines()
            .any(|line| line.contains("connecting") && line.contains(&cluster))
    };
    assert!(connecting("left") && connecting("right"), "{lines}");
}

#[tokio::test]
async fn a_second_cluster_of_the_same_name_is_numbered_with_a_warning() {
    let (log, _listening) = Log::listen(Level::WARN);
    let folder = tempfile::tempdir().unwrap();
    let _first = connect("TWICE_", &folder).await;
    log.take();
    let _second = connect("TWICE_", &folder).await;
    let said = log.take();
    assert!(said.contains("cluster=\"twice-2\""), "{said}");
    assert!(said.contains("SEALANE_CLUSTER_NAME"), "{said}");
}
