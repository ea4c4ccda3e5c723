//! What is open on a primary when another one takes over (rules T7, T9).

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::{ClusterSignal, Error, Outcome, Role};

use super::{MS, cluster, connect, insert, promote, rows, until_role};
use crate::{fixture::sql, place::until};

/// One transaction each way of going on: a statement first, or COMMIT at once; on the handle itself, and in a savepoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_an_open_transaction_is_stored_on_a_primary_that_was_fenced_meanwhile() {
    let cluster = cluster();
    let db = connect(&cluster, 50 * MS).await;
    let (old, new) = (cluster.primary(), cluster.standby(0));
    let mut open = Vec::new();
    for n in 1..=8 {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
            .await
            .unwrap();
        open.push((n, txn));
    }
    promote(new).await;
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&db, new, Role::Primary).await;
    insert(&db, 100).await.unwrap();
    assert_eq!(rows(new, 100), 1);
    let mut stored = 0;
    for (n, txn) in open {
        let ended = match n % 3 {
            0 => txn.commit().await,
            1 => match txn.execute_unprepared("INSERT INTO t VALUES (50)").await {
                Ok(_) => txn.commit().await,
                Err(err) => Err(err),
            },
            _ => match txn.begin().await {
                Ok(inner) => match inner.commit().await {
                    Ok(()) => txn.commit().await,
                    Err(err) => Err(err),
                },
                Err(err) => Err(err),
            },
        };
        stored += rows(old, n);
        if let Err(err) = ended {
            let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
            assert_eq!(ours.outcome(), Outcome::NotExecuted, "{err}");
            assert!(ours.is_retriable(), "{err}");
            assert!(!err.to_string().contains("unknown"), "{err}");
        }
    }
    assert_eq!(stored, 0, "rows of transactions on the old primary");
    assert_eq!(rows(old, 50), 0);
}

/// A stream that has begun ends with an error, and gives no further row of the old primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_begun_on_a_primary_ends_when_that_is_fenced() {
    use futures_util::TryStreamExt;
    use sea_orm::StreamTrait;

    let cluster = cluster();
    let db = connect(&cluster, 50 * MS).await.primary();
    let new = cluster.standby(0);
    let series = sql(&db, "SELECT n FROM generate_series(1, 1000000) AS n");
    let mut stream = db.stream_raw(series).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    promote(new).await;
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_role(&db, new, Role::Primary).await;
    let err = stream.try_next().await.unwrap_err();
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::StreamLost { .. })),
        "{err}"
    );
}

/// Its own text had ended it at the server, so nobody can say that nothing is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_whose_text_held_a_commit_is_unknown_when_it_is_lost() {
    let cluster = cluster();
    let db = connect(&cluster, 1_000 * MS).await;
    let texts = [
        "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)",
        "commit",
        "DO $$ BEGIN PERFORM 1; END $$",
    ];
    for text in texts {
        let txn = db.begin().await.unwrap();
        txn.execute_unprepared("INSERT INTO t VALUES (7)")
            .await
            .unwrap();
        txn.execute_unprepared(text).await.unwrap();
        cluster.primary().terminate_connections().unwrap();
        let err = txn
            .execute_unprepared("INSERT INTO t VALUES (3)")
            .await
            .unwrap_err();
        let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
        assert_eq!(ours.outcome(), Outcome::Unknown, "{text}: {err}");
        until("the primary again", async || insert(&db, 9).await.is_ok()).await;
    }
    assert!(rows(cluster.primary(), 1) == 1 && rows(cluster.primary(), 7) >= 2);
    // One that only wrote is certainly not stored.
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("INSERT INTO t VALUES (20)")
        .await
        .unwrap();
    cluster.primary().terminate_connections().unwrap();
    let err = txn
        .execute_unprepared("INSERT INTO t VALUES (20)")
        .await
        .unwrap_err();
    assert_eq!(
        Error::from_db_err(&err).unwrap().outcome(),
        Outcome::NotExecuted
    );
    assert_eq!(rows(cluster.primary(), 20), 0);
}
