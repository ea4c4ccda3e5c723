//! A replica that leaves or joins the rotation is told in the log, as an event and by a metric.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sealane::{ClusterEvent, ClusterEvents, RoutedConnection};

use crate::{fixture, heard::Heard, place::until};

/// The reason that the node's series of eligibility has at 1.
async fn reason(db: &RoutedConnection, node: &str) -> Option<String> {
    let recorder = DebuggingRecorder::new();
    let _installed = metrics::set_default_local_recorder(&recorder);
    db.cluster().export_metrics().await.unwrap();
    let series = recorder.snapshotter().snapshot().into_vec().into_iter();
    let mut found = Vec::new();
    for (key, _, _, value) in series {
        let key = key.key();
        let label = |name: &str| {
            let mut labels = key.labels();
            labels
                .find(|label| label.key() == name)
                .map(|label| label.value().to_owned())
        };
        let holds = matches!(value, DebugValue::Gauge(value) if value.0 == 1.0);
        if key.name() == "sealane_node_eligible" && label("node").as_deref() == Some(node) && holds
        {
            found.extend(label("reason"));
        }
    }
    assert!(found.len() <= 1, "{found:?}");
    found.pop()
}

async fn next(events: &mut ClusterEvents, wanted: impl Fn(&ClusterEvent) -> bool) {
    let waiting = async {
        while let Some(event) = events.next().await {
            if wanted(&event) {
                return;
            }
        }
        panic!("the cluster is gone");
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .expect("the event comes");
}

#[tokio::test]
async fn a_replica_that_receives_nothing_is_told_to_have_left_and_to_be_back() {
    let cluster = fixture::cluster(1);
    let (heard, _listening) = Heard::listen();
    let db = fixture::builder(&cluster)
        .check_interval(Duration::from_millis(50))
        .connect()
        .await
        .unwrap();
    until("the replica serves", async || {
        reason(&db, "one").await.as_deref() == Some("eligible")
    })
    .await;
    let mut events = db.cluster().subscribe().unwrap();
    let standby = cluster.standby(0);
    standby.set("primary_conninfo", "").unwrap();
    next(&mut events, |event| {
        matches!(event, ClusterEvent::LeftRotation { node, reason: sealane::Ineligible::NotReceiving } if node == "one")
    })
    .await;
    assert_eq!(reason(&db, "one").await.as_deref(), Some("not_receiving"));
    let lines = heard.warnings();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("not receiving") && line.contains("node=one")),
        "{lines:#?}"
    );
    let (there, primary) = (standby.clone(), cluster.primary().clone());
    tokio::task::spawn_blocking(move || there.repoint(&primary).unwrap())
        .await
        .unwrap();
    next(
        &mut events,
        |event| matches!(event, ClusterEvent::JoinedRotation { node } if node == "one"),
    )
    .await;
    assert_eq!(reason(&db, "one").await.as_deref(), Some("eligible"));
}
