//! `wait_for_replicas` (rule C13).

use std::time::{Duration, Instant};

use sealane::{Error, Outcome};

use super::{SLOT, connect, insert};

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn it_returns_when_so_many_servers_have_what_was_written() {
    let place = SLOT.alone("wait_replicas").await;
    let db = connect(&place).await;
    let session = db.session();
    session.wait_for_replicas(0, LONG).await.unwrap();
    insert(&session, 1).await;
    session.wait_for_replicas(2, LONG).await.unwrap();
    for standby in place.cluster().standbys() {
        let rows = place.on(standby, "SELECT count(*) FROM t");
        assert_eq!(rows, "1");
    }

    place.standby(1).pause_replay().unwrap();
    insert(&session, 2).await;
    session.wait_for_replicas(1, LONG).await.unwrap();
    let err = session
        .wait_for_replicas(2, Duration::from_millis(100))
        .await
        .unwrap_err();
    assert_eq!(err.outcome(), Outcome::Executed);
    assert!(!err.is_retriable(), "it is written already");
    let text = err.to_string();
    assert!(
        text.contains("1 of the 2") && text.contains("(one)"),
        "{text}"
    );
    place.standby(1).resume_replay().unwrap();
    session.wait_for_replicas(2, LONG).await.unwrap();

    let begun = Instant::now();
    let err = session.wait_for_replicas(3, LONG).await.unwrap_err();
    assert!(
        matches!(
            err,
            Error::TooFewReplicas {
                wanted: 3,
                configured: 2
            }
        ),
        "{err}"
    );
    assert!(begun.elapsed() < LONG / 2, "at once");
}

/// Two names of one server are one.
#[tokio::test]
async fn a_server_that_is_configured_twice_counts_once() {
    let place = SLOT.alone("wait_twice").await;
    place.others("CREATE TABLE t (n bigint)");
    let one = place.replica_urls().remove(0);
    let again = one.replace("name=one", "name=again");
    let db = sealane::RoutedConnection::builder()
        .primary(place.primary_url())
        .replicas([one, again.replace("127.0.0.1", "localhost")])
        .connect()
        .await
        .unwrap();
    insert(&db, 1).await;
    db.wait_for_replicas(1, LONG).await.unwrap();
    let err = db
        .wait_for_replicas(2, Duration::from_millis(200))
        .await
        .unwrap_err();
    assert!(
        matches!(err, Error::NotReplicated { reached: 1, .. }),
        "{err}"
    );
}
