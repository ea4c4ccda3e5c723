//! Words, states and events as types: read from text, written by serde, streamed.

use sealane::{
    ClusterEvent, Consistency, EjectionCause, Error, Explanation, FenceReason, Ineligible,
    NodeConfig, OnStale, Role, RoutedConnection, Topology, causes::TopologyProblem,
};

#[test]
fn a_word_is_read_as_it_is_written_in_the_environment() {
    for level in Consistency::ALL {
        assert_eq!(level.as_str().to_uppercase().parse(), Ok(*level));
    }
    let err = "sometimes".parse::<OnStale>().unwrap_err();
    assert_eq!(err.to_string(), "must be one of primary, wait, error");
}

#[cfg(feature = "serde")]
#[test]
fn events_and_states_go_through_json_and_back() {
    let event = ClusterEvent::Ejected {
        node: "one".to_owned(),
        cause: EjectionCause::TimedOut,
    };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(
        text,
        r#"{"event":"ejected","node":"one","cause":"timed_out"}"#
    );
    assert_eq!(serde_json::from_str::<ClusterEvent>(&text).unwrap(), event);
    let fenced = ClusterEvent::Fenced {
        node: "old".to_owned(),
        reason: FenceReason::Stale,
    };
    let text = serde_json::to_string(&fenced).unwrap();
    assert_eq!(text, r#"{"event":"fenced","node":"old","reason":"stale"}"#);
    assert_eq!(
        fenced.to_string(),
        "old is fenced: takes writes on an older timeline than the primary"
    );
    for why in Ineligible::ALL {
        let text = serde_json::to_string(why).unwrap();
        assert_eq!(serde_json::from_str::<Ineligible>(&text).unwrap(), *why);
    }
    assert!(serde_json::from_str::<Consistency>("\"sometimes\"").is_err());
}

#[test]
fn events_tell_times_in_whole_milliseconds() {
    let away = std::time::Duration::from_nanos(1_234_567_891);
    let back = ClusterEvent::Readmitted {
        node: "one".to_owned(),
        after: away,
    };
    assert_eq!(back.to_string(), "one answers again, after 1.234s");
    let changed = ClusterEvent::PrimaryChanged {
        node: "two".to_owned(),
        epoch: None,
        without: Some(away),
    };
    assert_eq!(
        changed.to_string(),
        "two is the primary now, after 1.234s without one"
    );
}

/// What an error names it names as data: nobody has to read its text for a node's name.
#[tokio::test]
async fn errors_and_explanations_tell_their_causes_as_types() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let db = RoutedConnection::builder()
        .primary(&*url)
        .connect()
        .await
        .unwrap();
    let cluster = db.cluster();
    let Err(Error::Topology { why }) = cluster.drain("db9") else {
        panic!("a node that is not there was drained");
    };
    let TopologyProblem::NoSuchNode { node, nodes } = &why else {
        panic!("{why}");
    };
    assert_eq!(node, "db9");
    let names: Vec<&str> = nodes.nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(names, ["shop.db", "shop.db (readers)"]);
    assert_eq!(nodes.nodes[0].role, Role::Primary);
    assert_eq!(nodes.nodes[1].ineligible, None);
    assert!(nodes.nodes[0].host.ends_with("shop.db"));
    assert_eq!(
        why.to_string(),
        "no node is called `db9`; there are: shop.db is primary; shop.db (readers) is an eligible replica"
    );
    let postgres = NodeConfig::primary("postgres://db1/app").unwrap();
    let refused = cluster.replace_nodes([postgres]).await;
    let Err(Error::Topology { why }) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(why, TopologyProblem::OtherBackend { .. }), "{why}");
    let explained = db.explain("SELECT 1");
    let refused = db.replica().explain("DELETE FROM ticket");
    #[cfg(feature = "serde")]
    {
        let text = serde_json::to_string(&explained).unwrap();
        assert_eq!(
            text,
            r#"{"intent":"read","part":"the whole text","node":"shop.db (readers)","not_sent":null,"role":"replica","reason":"replica"}"#
        );
        let text = serde_json::to_string(&refused).unwrap();
        assert!(
            text.contains(r#""node":null,"not_sent":{"why":"not_a_read","reason":"write"}"#),
            "{text}"
        );
        for one in [explained, refused] {
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), one);
        }
        let neither = text.replace(r#"{"why":"not_a_read","reason":"write"}"#, "null");
        assert!(serde_json::from_str::<Explanation>(&neither).is_err());
    }
}

#[tokio::test]
async fn the_topology_tells_per_node_what_it_is_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let builder = RoutedConnection::builder().primary(&*url);
    // A builder is a value: two handles from one.
    let db = builder.clone().connect().await.unwrap();
    let other = builder.connect().await.unwrap();
    let topology = db.cluster().topology();
    let primary = &topology.nodes[0];
    assert!(primary.host.ends_with("shop.db"), "{}", primary.host);
    assert_eq!((primary.ineligible, primary.lag), (None, None));
    assert_eq!(primary.to_string(), format!("{} is primary", primary.name));
    #[cfg(feature = "serde")]
    {
        let text = serde_json::to_string(&topology).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&text).unwrap(), topology);
    }
    let _: Topology = other.cluster().topology();
}

#[tokio::test]
async fn events_are_a_stream_that_ends_with_the_last_handle() {
    use futures_util::StreamExt;

    let db = RoutedConnection::builder()
        .primary("sqlite::memory:")
        .connect()
        .await
        .unwrap();
    const fn shared<T: Send + Sync>(_: &T) {}
    let mut events = db.cluster().subscribe().unwrap();
    shared(&events);
    drop(db);
    assert_eq!(StreamExt::next(&mut events).await, None);
    // Whoever asks once more, as a loop over several streams may, hears the same.
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn events_end_when_the_cluster_is_closed_although_a_handle_lives() {
    let db = RoutedConnection::builder()
        .primary("sqlite::memory:")
        .connect()
        .await
        .unwrap();
    let (mut events, mut late) = (
        db.cluster().subscribe().unwrap(),
        db.cluster().subscribe().unwrap(),
    );
    db.clone().close().await.unwrap();
    let end = std::time::Duration::from_secs(10);
    let next = tokio::time::timeout(end, events.next()).await;
    assert_eq!(next.expect("an end"), None);
    assert_eq!(late.next().await, None);
    drop(db);
}

#[test]
fn connections_that_make_no_cluster_are_an_error_where_that_is_wanted() {
    let nowhere = sea_orm::DatabaseConnection::default();
    let err = RoutedConnection::try_from_connections(nowhere, []).unwrap_err();
    assert!(matches!(err, sealane::Error::Disconnected), "{err}");
}
