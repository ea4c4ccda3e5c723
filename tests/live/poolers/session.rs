//! In session mode: a client has a connection of the server for as long as it stays (rule I7).

use sea_orm::{AccessMode, ConnectionTrait, TransactionTrait};
use sealane::{Consistency, Error, Role, RoutedConnection};
use sealane_harness::{PgBouncer, PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::{
    fixture::{number, sql},
    heard::{Heard, counter},
    place::until,
};

const LACKING: &str = "sealane_connections_without_read_only_default_total";

/// Whether connections of the replicas have the read-only default, past the router.
async fn has_default(db: &RoutedConnection) -> bool {
    let txn = db.begin_with_config(None, Some(AccessMode::ReadOnly));
    let txn = txn.await.unwrap();
    assert_eq!(txn.role(), Role::Replica);
    let shown = "SELECT (current_setting('default_transaction_read_only') = 'on')::int::bigint";
    let shown = number(txn.concrete(), shown).await;
    txn.commit().await.unwrap();
    shown == 1
}

#[tokio::test]
async fn a_pooler_that_refuses_the_start_up_options_is_named_with_what_to_set() {
    let place = SLOT.shared("poolers_refused").await;
    let poolers = Poolers::before(&place, PoolMode::Session, StartUpOptions::Refused);
    let (heard, _listening) = Heard::listen();
    let db = poolers.builder("poolers_refused").connect().await.unwrap();
    if PgBouncer::carries_options().unwrap() {
        assert!(has_default(&db).await);
        return;
    }
    // The application goes on without replicas.
    assert_eq!(
        number(&db, "SELECT count(*) FROM pg_class WHERE false").await,
        0
    );
    let warnings = heard.warnings();
    for node in ["one", "two"] {
        let said = warnings
            .iter()
            .find(|line| line.contains(&format!("node={node} ")));
        let said = said.unwrap_or_else(|| panic!("nothing of {node} in {warnings:#?}"));
        for part in [
            "PgBouncer",
            "ignore_startup_parameters",
            "SEALANE_FENCE=false",
            "08P01",
        ] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
    let strict = db.replica();
    let err = strict
        .query_one_raw(sql(&db, "SELECT 1"))
        .await
        .unwrap_err();
    let said = Error::from_db_err(&err).unwrap().to_string();
    assert!(said.contains("ignore_startup_parameters"), "{said}");

    let without = poolers.builder("poolers_refused").fence(false);
    let without = without
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    assert!(!has_default(&without).await);
}

#[tokio::test]
async fn a_connection_that_lost_the_read_only_default_on_its_way_is_told_and_counted() {
    let place = SLOT.shared("poolers_dropped").await;
    let poolers = Poolers::before(&place, PoolMode::Session, StartUpOptions::Dropped);
    let (heard, _listening) = Heard::listen();
    let db = poolers
        .builder("poolers_dropped")
        .consistency(Consistency::Eventual);
    let db = db.connect().await.unwrap();
    if PgBouncer::carries_options().unwrap() {
        assert!(has_default(&db).await);
        assert_eq!(counter(&db, LACKING).await, 0);
        return;
    }
    until("a read on each replica", async || {
        let _ = number(&db.replica(), "SELECT 1::bigint").await;
        let warned = heard.warnings();
        let of = |node: &str| {
            let own = |line: &&String| line.contains("read-only default") && line.contains(node);
            warned.iter().filter(own).count()
        };
        assert!(of("node=one ") <= 1 && of("node=two ") <= 1, "{warned:#?}");
        of("node=one ") + of("node=two ") == 2
    })
    .await;
    let counted = counter(&db, LACKING).await;
    assert!(counted >= 2, "{counted}");
    assert!(!has_default(&db).await);
    // Promise 1 stands on the judging of statements: a write goes to the primary.
    place.others("CREATE TABLE t (n bigint)");
    db.execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let insert = "INSERT INTO t VALUES (2) RETURNING n";
    assert_eq!(number(&db, insert).await, 2);
    db.replica()
        .query_one_raw(sql(&db, insert))
        .await
        .unwrap_err();

    // A role may have the default, and then nothing is lacking.
    place.others(
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN; GRANT pg_monitor TO reader; \
                  ALTER ROLE reader SET default_transaction_read_only = on",
    );
    let as_reader = |url: String| url.replace("postgres@", "reader@");
    let (heard, _listening) = Heard::listen();
    let db = RoutedConnection::builder()
        .primary(poolers.0[0].url("poolers_dropped"))
        .replica(as_reader(poolers.0[1].url("poolers_dropped")))
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();
    assert!(has_default(&db).await);
    assert_eq!(counter(&db, LACKING).await, 0);
    let lacking = heard.warnings();
    assert!(
        !lacking
            .iter()
            .any(|line| line.contains("read-only default")),
        "{lacking:#?}"
    );
}
