//! The caller's `ConnectOptions` and closures reach every node; the environment names the replicas.

mod environment;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{AccessMode, ConnectOptions, ConnectionTrait, TransactionTrait};
use sealane::{Builder, RoutedConnection};

use crate::{
    fixture::sql,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(2);

/// The given options, pointed at the whole cluster.
fn with(place: &Place, options: ConnectOptions) -> Builder {
    RoutedConnection::builder()
        .connect_options(options)
        .replicas(place.replica_urls())
        .consistency(sealane::Consistency::Eventual)
}

fn template(place: &Place) -> ConnectOptions {
    ConnectOptions::new(place.primary_url())
}

/// What each node's connections answer, by its name: a primary's and two replicas'.
async fn on_every_node(db: &RoutedConnection, text: &str) -> Vec<(String, String)> {
    let answers = RefCell::new(BTreeMap::new());
    // A replica that was slow to answer its first probe takes its share only when others have made up for it.
    until("an answer of every node", async || {
        for access in [AccessMode::ReadOnly, AccessMode::ReadWrite] {
            let txn = db.begin_with_config(None, Some(access)).await.unwrap();
            let row = txn.query_one_raw(sql(db, text)).await.unwrap().unwrap();
            let answer = row.try_get_by_index::<String>(0).unwrap();
            answers.borrow_mut().insert(txn.node().to_owned(), answer);
            txn.rollback().await.unwrap();
        }
        answers.borrow().len() == 3
    })
    .await;
    answers.into_inner().into_iter().collect()
}

async fn assert_everywhere(db: &RoutedConnection, text: &str, expected: &str) {
    for (node, answer) in on_every_node(db, text).await {
        assert_eq!(answer, expected, "{text} on {node}");
    }
}

#[tokio::test]
async fn the_plain_values_reach_every_node() {
    let place = SLOT.shared("options_values").await;
    place.others("CREATE SCHEMA shop; CREATE TABLE shop.items (n int)");
    let mut options = template(&place);
    options
        .set_schema_search_path("shop,public")
        .set_application_name("the shop")
        .statement_timeout(Duration::from_millis(4321));
    let db = with(&place, options).connect().await.unwrap();
    assert_everywhere(&db, "SHOW search_path", "shop, public").await;
    assert_everywhere(&db, "SHOW application_name", "the shop").await;
    assert_everywhere(&db, "SHOW statement_timeout", "4321ms").await;
    // And statements outside of transactions, on every node.
    for handle in [db.primary(), db.replica(), db.clone()] {
        handle
            .query_all_raw(sql(&db, "SELECT n FROM items"))
            .await
            .unwrap();
    }
    for node in place.cluster().nodes() {
        assert!(
            node.connections().unwrap()["the shop"] > 0,
            "{}",
            node.name()
        );
    }
}

#[tokio::test]
async fn a_knob_of_ours_wins_over_the_same_value_in_the_template() {
    let place = SLOT.shared("options_wins").await;
    let mut options = template(&place);
    options.statement_timeout(Duration::from_millis(4321));
    let db = with(&place, options.clone())
        .statement_timeout(Duration::ZERO)
        .connect()
        .await
        .unwrap();
    assert_everywhere(&db, "SHOW statement_timeout", "0").await;
    let db = with(&place, options)
        .statement_timeout(Duration::from_millis(1234))
        .connect()
        .await
        .unwrap();
    assert_everywhere(&db, "SHOW statement_timeout", "1234ms").await;

    let db = with(&place, template(&place))
        .statement_timeout(Duration::from_millis(1234))
        .connect()
        .await
        .unwrap();
    assert_everywhere(&db, "SHOW statement_timeout", "1234ms").await;

    let db = place
        .builder()
        .statement_timeout(Duration::from_millis(1234))
        .connect()
        .await
        .unwrap();
    assert_everywhere(&db, "SHOW statement_timeout", "1234ms").await;
}

#[tokio::test]
async fn closures_over_sqlxs_options_reach_every_node() {
    let place = SLOT.shared("options_closures").await;
    let mut options = template(&place);
    options
        .map_sqlx_postgres_opts(|options| {
            options
                .application_name("by closure")
                .options([("work_mem", "1234kB")])
        })
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_connect(|conn, _| {
                Box::pin(async move {
                    let set = "SET geqo_threshold = 7";
                    sea_orm::sqlx::raw_sql(set).execute(conn).await.map(drop)
                })
            })
        });
    let db = with(&place, options).connect().await.unwrap();
    assert_everywhere(&db, "SHOW application_name", "by closure").await;
    assert_everywhere(&db, "SHOW work_mem", "1234kB").await;
    assert_everywhere(&db, "SHOW geqo_threshold", "7").await;
    let mut defaults = on_every_node(&db, "SHOW default_transaction_read_only").await;
    defaults.sort();
    let defaults: Vec<_> = defaults
        .iter()
        .map(|(n, f)| (n.as_str(), f.as_str()))
        .collect();
    let first = format!("127.0.0.1:{}", place.primary().port());
    assert_eq!(defaults, [(&*first, "off"), ("one", "on"), ("two", "on")]);
}

#[tokio::test]
async fn before_acquire_and_after_connect_are_called_for_every_node() {
    let place = SLOT.shared("options_called").await;
    let acquired = Arc::new(AtomicUsize::new(0));
    let connected = Arc::new(AtomicUsize::new(0));
    let mut options = template(&place);
    options
        .map_sqlx_postgres_before_acquire({
            let acquired = Arc::clone(&acquired);
            move |_, _| {
                acquired.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(true) })
            }
        })
        .after_connect({
            let connected = Arc::clone(&connected);
            move |_| {
                connected.fetch_add(1, Ordering::SeqCst);
                Box::pin(async { Ok(()) })
            }
        });
    // One connection for each node, so that every statement but the first finds it in the pool.
    let db = with(&place, options)
        .max_connections(1)
        .replica_max_connections(1)
        .connect()
        .await
        .unwrap();
    // A busy machine may have replaced a connection already.
    let opened = connected.load(Ordering::SeqCst);
    assert!(opened >= 3, "after_connect runs for each node");
    for handle in [db.primary(), db.replica()] {
        let before = acquired.load(Ordering::SeqCst);
        for _ in 0..6 {
            handle.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
        }
        assert!(acquired.load(Ordering::SeqCst) >= before + 4, "{handle:?}");
    }
    assert_eq!(connected.load(Ordering::SeqCst), opened);
}

#[tokio::test]
async fn a_before_acquire_that_refuses_a_connection_gets_another_one() {
    let place = SLOT.shared("options_refused").await;
    let mut options = template(&place);
    let refusals = Arc::new(AtomicUsize::new(0));
    options.map_sqlx_postgres_before_acquire({
        let refusals = Arc::clone(&refusals);
        move |_, _| {
            let refused = refusals.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            Box::pin(async move { Ok(!refused) })
        }
    });
    let db = with(&place, options).connect().await.unwrap();
    for _ in 0..20 {
        db.query_all_raw(sql(&db, "SELECT 1")).await.unwrap();
        db.execute_unprepared("SELECT 1").await.unwrap();
    }
    assert!(refusals.load(Ordering::SeqCst) > 10);
}
