//! What the next user of a connection finds: nothing, however the statement before ended (rule R11).

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::StreamExt;
use sea_orm::{ConnectionTrait, StreamTrait};
use sealane::RoutedConnection;
use sealane_harness::Forwarder;

use super::{Place, SETUP, SLOT, number, stmt, word};
use crate::place::until;

/// The setting, and whose process that is.
const LEFT: &str =
    "SELECT coalesce(current_setting('app.tenant', true), '') || ' of ' || pg_backend_pid()";
const SLEEPS: &str = "SELECT count(*) FROM note, pg_sleep(0.2)";

/// A pool of one on each node, the ways to both, and a handle that may ask any of them for the setting.
struct Narrow {
    place: Place,
    db: RoutedConnection,
    ways: [Forwarder; 2],
}

async fn narrow(database: &str) -> Narrow {
    let place = SLOT.alone(database).await;
    place.others(SETUP);
    let nodes = [place.primary(), place.standby(0)];
    let ways = nodes.map(|node| Forwarder::to(node.addr()).unwrap());
    let urls = [0, 1].map(|at| nodes[at].url_at(ways[at].addr(), database));
    let [primary, replica] = urls.map(|url| url.replace("postgres@", "tenant_app@"));
    let db = RoutedConnection::builder()
        .primary(primary)
        .replica(replica)
        .max_connections(1)
        .replica_max_connections(1)
        .consistency(sealane::Consistency::Eventual)
        .read_functions(["current_setting", "pg_backend_pid"])
        .connect()
        .await
        .unwrap();
    let near = db.with_local("app.tenant", "a").unwrap();
    until("reads of the tenant on the replica", async || {
        number(&near, "SELECT count(*) FROM note").await.unwrap();
        near.explain("SELECT count(*) FROM note").role == Some(sealane::Role::Replica)
    })
    .await;
    Narrow { place, db, ways }
}

/// Nothing of the setting is on the connection, it is the one that was there, and no transaction is open.
async fn assert_clean(db: &RoutedConnection, place: &Place, pids: &[String; 2], what: &str) {
    for (handle, pid) in [db.primary(), db.replica()].iter().zip(pids) {
        assert_eq!(&word(handle, LEFT).await.unwrap(), pid, "{what}");
    }
    for node in [place.primary(), place.standby(0)] {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenant_app' AND state LIKE 'idle in%' \
                    AND datname = current_database()";
        assert_eq!(place.on(node, open), "0", "{what}");
    }
}

async fn pids(db: &RoutedConnection) -> [String; 2] {
    let [one, two] = [db.primary(), db.replica()];
    let pids = [
        word(&one, LEFT).await.unwrap(),
        word(&two, LEFT).await.unwrap(),
    ];
    assert!(pids.iter().all(|text| text.starts_with(" of ")), "{pids:?}");
    pids
}

#[tokio::test]
async fn nothing_is_left_behind_a_statement_that_ran_or_failed() {
    let Narrow {
        place,
        db,
        ways: _ways,
    } = narrow("tenants_left").await;
    place.others(
        "CREATE TABLE parent (id int PRIMARY KEY); \
         CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED); \
         GRANT ALL ON parent, child TO tenant_app",
    );
    let pids = pids(&db).await;
    let tenant = db.with_local("app.tenant", "a").unwrap();
    for handle in [tenant.primary(), tenant.replica()] {
        assert_eq!(
            number(&handle, "SELECT count(*) FROM note").await.unwrap(),
            1
        );
        assert_clean(&db, &place, &pids, "a read").await;
        number(&handle, "SELECT 1 / (count(*) - count(*)) FROM note")
            .await
            .unwrap_err();
        assert_clean(&db, &place, &pids, "a read that fails").await;
        let rows = handle.query_all_raw(stmt("SELECT nosuch FROM note")).await;
        rows.unwrap_err();
        assert_clean(&db, &place, &pids, "a read that cannot be prepared").await;
    }
    tenant
        .execute_unprepared("INSERT INTO note (tenant, text) VALUES ('a', 'x')")
        .await
        .unwrap();
    assert_clean(&db, &place, &pids, "a write").await;
    let foreign = "INSERT INTO note (tenant, text) VALUES ('b', 'x')";
    tenant.execute_unprepared(foreign).await.unwrap_err();
    assert_clean(&db, &place, &pids, "a write that the policy refuses").await;
    tenant
        .execute_unprepared("INSERT INTO child VALUES (1)")
        .await
        .unwrap_err();
    assert_clean(&db, &place, &pids, "a COMMIT that fails").await;
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM child"), "0");
    // The connection begins transactions as ever.
    let txn = sea_orm::TransactionTrait::begin(&db.primary())
        .await
        .unwrap();
    txn.execute_unprepared("INSERT INTO parent VALUES (1)")
        .await
        .unwrap();
    txn.rollback().await.unwrap();
    assert_eq!(
        place.on(place.primary(), "SELECT count(*) FROM parent"),
        "0"
    );
    db.close().await.unwrap();
}

/// Lets a future be polled so often, and drops it.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx: &mut Context<'_>| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Wherever it was: in BEGIN, in the statement, in COMMIT.
#[tokio::test]
async fn nothing_is_left_when_the_caller_goes_away() {
    let Narrow { place, db, ways } = narrow("tenants_gone").await;
    let pids = pids(&db).await;
    let tenant = db.with_local("app.tenant", "a").unwrap();
    let count = "SELECT count(*) FROM note";
    let insert = "INSERT INTO note (tenant, text) VALUES ('a', 'x') RETURNING id";
    // So that no answer is there at once: each step is a poll of its own.
    for way in &ways {
        way.delay(Duration::from_millis(5));
    }
    for handle in [tenant.primary(), tenant.replica()] {
        let mut gone = 0;
        for times in 0.. {
            let read = polled(times, number(&handle, count)).await;
            let what = format!("a read after {times} polls");
            assert_clean(&db, &place, &pids, &what).await;
            if read.is_some() {
                break;
            }
            gone += 1;
        }
        assert!(gone > 3, "it was gone at {gone} places");
    }
    let mut gone = 0;
    for times in 0.. {
        let written = polled(times, tenant.query_all_raw(stmt(insert))).await;
        let what = format!("a write after {times} polls");
        assert_clean(&db, &place, &pids, &what).await;
        if written.is_some() {
            break;
        }
        gone += 1;
    }
    assert!(gone > 3, "it was gone at {gone} places");
    for way in &ways {
        way.heal();
    }
    for handle in [tenant.primary(), tenant.replica()] {
        let slow = tokio::time::timeout(Duration::from_millis(50), number(&handle, SLEEPS));
        assert!(slow.await.is_err());
        assert_clean(&db, &place, &pids, "a read that sleeps").await;
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_stream() {
    let Narrow {
        place,
        db,
        ways: _ways,
    } = narrow("tenants_streams").await;
    let pids = pids(&db).await;
    let tenant = db.with_local("app.tenant", "a").unwrap();
    let many = "SELECT n FROM note, generate_series(1, 20000) AS n";
    for handle in [tenant.primary(), tenant.replica()] {
        // To its end.
        let stream = handle.stream_raw(stmt(many)).await.unwrap();
        assert_eq!(
            stream
                .filter(|row| std::future::ready(row.is_ok()))
                .count()
                .await,
            20_000
        );
        assert_clean(&db, &place, &pids, "a stream").await;
        // Dropped after some rows.
        for rows in [0, 1, 100] {
            let stream = handle.stream_raw(stmt(many)).await.unwrap();
            assert_eq!(stream.take(rows).count().await, rows);
            assert_clean(&db, &place, &pids, "a stream that was dropped").await;
        }
        // One that fails on its way, and one that fails at once.
        let fails = "SELECT 1 / (100 - n) FROM note, generate_series(1, 20000) AS n";
        let rows: Vec<_> = handle
            .stream_raw(stmt(fails))
            .await
            .unwrap()
            .collect()
            .await;
        assert!(
            rows.last().is_some_and(Result::is_err),
            "{} rows",
            rows.len()
        );
        assert_clean(&db, &place, &pids, "a stream that fails").await;
        let nosuch = handle.stream_raw(stmt("SELECT nosuch FROM note")).await;
        let rows: Vec<_> = nosuch.unwrap().collect().await;
        assert!(rows[0].is_err());
        assert_clean(&db, &place, &pids, "a stream that cannot be prepared").await;
        for times in 0..12 {
            drop(polled(times, handle.stream_raw(stmt(many))).await);
            assert_clean(&db, &place, &pids, &format!("a stream after {times} polls")).await;
        }
    }
    // What a stream writes is stored, also where nobody reads it to the end.
    let insert = "INSERT INTO note (tenant, text) SELECT 'a', 'streamed' FROM generate_series(1, 500) RETURNING id";
    let mut stream = tenant.stream_raw(stmt(insert)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    until("the stream's rows", async || {
        place.on(
            place.primary(),
            "SELECT count(*) FROM note WHERE text = 'streamed'",
        ) == "500"
    })
    .await;
    assert_clean(&db, &place, &pids, "a stream that writes").await;
    db.close().await.unwrap();
}
