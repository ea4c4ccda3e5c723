//! SeaORM's own spans: not beside ours, and where there are none of ours they are kept.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use crate::recorder::{file, record};

/// A span as SeaORM's feature `tracing-spans` makes them.
macro_rules! seaorms {
    () => {
        tracing::info_span!(target: "sea_orm::database::transaction", "sea_orm.execute")
    };
}

#[tokio::test]
async fn a_statement_of_a_transaction_has_no_second_span() {
    let (mut db, _folder) = file().await;
    let called = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&called);
    // SeaORM calls it where it makes its spans.
    db.set_metric_callback(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        drop(seaorms!());
    });
    let work = async {
        let txn = db.begin().await.unwrap();
        let update = Statement::from_string(DbBackend::Sqlite, "UPDATE note SET text = 'x'");
        txn.execute_raw(update).await.unwrap();
        txn.commit().await.unwrap();
    };
    let ((), recorded) = record(3, work).await;
    assert_eq!(
        recorded.names(),
        ["BEGIN shop.db", "UPDATE note", "COMMIT shop.db"]
    );
    assert_eq!(called.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn seaorms_span_of_what_has_none_of_ours_is_kept() {
    let ((), recorded) = record(1, async { drop(seaorms!()) }).await;
    assert_eq!(recorded.names(), ["sea_orm.execute"]);
}
