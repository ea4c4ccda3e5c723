//! SeaORM's own connection behind a pooler in transaction mode: texts without values, as migrations send them (rules C7, I8).

use sea_orm::{ConnectionTrait, TransactionTrait};
use sealane::RoutedConnection;
use sealane_harness::{Node, PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::{fixture::number, place::until};

const CLIENTS: i64 = 6;
const ROUNDS: i64 = 20;

/// Each write is seen by the read after it, wherever that runs.
async fn client(db: RoutedConnection, n: i64) {
    let seen = format!("SELECT count(*) FROM handed WHERE n = {n}");
    let insert = format!("INSERT INTO handed VALUES ({n})");
    for round in 1..=ROUNDS {
        let txn = db.concrete().begin().await.unwrap();
        txn.execute_unprepared(&insert).await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(number(&db, &seen).await, 2 * round - 1, "client {n}");
        db.concrete().execute_unprepared(&insert).await.unwrap();
        assert_eq!(number(&db, &seen).await, 2 * round, "client {n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_handed_out_connection_writes_there_without_values_is_seen_by_every_read() {
    let place = SLOT.alone("poolers_handed").await;
    place.others("CREATE TABLE handed (n bigint)");
    let (mode, dropped) = (PoolMode::Transaction, StartUpOptions::Dropped);
    let poolers = Poolers::before(&place, mode, dropped);
    let db = poolers.builder("poolers_handed").connect().await.unwrap();
    let clients = (0..CLIENTS).map(|n| tokio::spawn(client(db.clone(), n)));
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let off = || {
        let of = |node: &Node| node.statements_with("FROM handed").unwrap();
        place.cluster().standbys().iter().map(of).sum::<u64>()
    };
    until("a read on a replica", async || {
        let all = number(&db, "SELECT count(*) FROM handed").await;
        assert_eq!(all, 2 * CLIENTS * ROUNDS);
        off() > 0
    })
    .await;
}
