//! `wait_for_replicas` where one name has several servers (rule C13): whichever of them has the write counts.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Error, RoutedConnection};
use sealane_harness::HaProxy;

use super::{SLOT, connect};
use crate::{
    fixture::number,
    place::{Place, until},
};

const LONG: Duration = Duration::from_secs(20);
const COUNT: &str = "SELECT count(*) FROM t";

async fn insert(db: &RoutedConnection) {
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
}

/// How many of the standbys have so many rows.
fn having(place: &Place, rows: i64) -> usize {
    let standbys = place.cluster().standbys().iter();
    standbys
        .filter(|standby| place.on(standby, COUNT) == rows.to_string())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_waited_for_until_one_server_of_the_name_has_it() {
    let place = SLOT.alone("endpoint_replicas").await;
    place.others("CREATE TABLE t (n bigint)");
    let addr = |at: usize| place.standby(at).addr();
    let proxy = HaProxy::over(&[addr(0), addr(1)]).unwrap();
    for standby in place.cluster().standbys() {
        standby.reset_statements().unwrap();
    }
    let db = connect(&place, &proxy).await;
    // At a time, so that each has a connection of its own.
    let slow = "SELECT count(*) FROM generate_series(1, 300000)";
    until("both servers to be met", async || {
        futures_util::future::join_all((0..6).map(|_| number(&db, slow))).await;
        let met = |at| place.standby(at).statements_with(super::QUESTION).unwrap();
        met(0) > 0 && met(1) > 0
    })
    .await;
    let mut rows = 0;
    for lags in [None, Some(0), Some(1)] {
        if let Some(lags) = lags {
            place.standby(lags).pause_replay().unwrap();
        }
        let session = db.session();
        for _ in 0..5 {
            insert(&session).await;
            rows += 1;
            let waited = session.wait_for_replicas(1, LONG).await;
            waited.unwrap_or_else(|err| panic!("{lags:?} lags: {err}"));
            assert!(having(&place, rows) >= 1, "{lags:?} lags");
        }
        let err = session.wait_for_replicas(2, LONG).await.unwrap_err();
        assert!(matches!(err, Error::TooFewReplicas { .. }), "{err}");
        assert!(err.to_string().contains("one name"), "{err}");
        if let Some(lags) = lags {
            place.standby(lags).resume_replay().unwrap();
        }
        place.caught_up();
    }
    let _frozen = place.freeze_replay();
    insert(&db).await;
    let short = Duration::from_millis(300);
    let err = db.wait_for_replicas(1, short).await.unwrap_err();
    assert!(
        matches!(err, Error::NotReplicated { reached: 0, .. }),
        "{err}"
    );
}
