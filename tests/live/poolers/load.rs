//! An application's load behind poolers, in both modes (rules I7, I8).

use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, IsolationLevel, Statement, TransactionTrait,
    Value,
};
use sealane::{Role, RoutedConnection, drop_in::DatabaseConnection};
use sealane_harness::{PoolMode, StartUpOptions};

use super::{Poolers, SLOT};
use crate::fixture::number;

const CLIENTS: i64 = 8;
const ROUNDS: i64 = 30;
const READ: &str = "SELECT count(*) AS seen FROM noted WHERE client = $1 AND kind = $2";

fn with(sql: &str, values: impl IntoIterator<Item = i64>) -> Statement {
    let values = values.into_iter().map(Value::from);
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

async fn seen(db: &impl ConnectionTrait, client: i64, kind: i64) -> Result<i64, DbErr> {
    let row = db.query_one_raw(with(READ, [client, kind])).await?;
    row.unwrap().try_get("", "seen")
}

/// One client: what it wrote it reads, whichever way, and each statement is its own.
async fn client(db: DatabaseConnection, client: i64) -> Result<(), DbErr> {
    for round in 1..=ROUNDS {
        let insert = "INSERT INTO noted (client, kind) VALUES ($1, $2)";
        db.execute_raw(with(insert, [client, 1])).await?;
        assert_eq!(
            seen(&db, client, 1).await?,
            round,
            "client {client}, kind 1"
        );
        let txn = db.begin().await?;
        txn.execute_raw(with(insert, [client, 2])).await?;
        assert_eq!(
            seen(&txn, client, 2).await?,
            round,
            "client {client}, inside"
        );
        txn.commit().await?;
        let isolation = Some(IsolationLevel::RepeatableRead);
        let txn = db
            .begin_with_config(isolation, Some(AccessMode::ReadOnly))
            .await?;
        assert_eq!(
            seen(&txn, client, 2).await?,
            round,
            "client {client}, read only"
        );
        let shown = "SELECT count(*) AS seen FROM pg_settings WHERE (name, setting) IN \
                     (('transaction_isolation', 'repeatable read'), ('transaction_read_only', 'on'))";
        // On a replica, which few of them reach here, what depends on the session is no proven read.
        if txn.role() == Role::Primary {
            let row = txn.query_one_raw(with(shown, [])).await?;
            assert_eq!(row.unwrap().try_get::<i64>("", "seen")?, 2);
        }
        txn.commit().await?;
        // Of another shape each, so that one executed for another is seen.
        assert_eq!(
            seen(&db, client, 2).await?,
            round,
            "client {client}, kind 2"
        );
        let row = db
            .query_one_raw(with("SELECT $1 + 1 AS next", [client]))
            .await?;
        assert_eq!(row.unwrap().try_get::<i64>("", "next")?, client + 1);
        for n in 0..6 {
            let text = format!("SELECT {n}::bigint, 'x', {client}::bigint AS own");
            let row = db.query_one_raw(with(&text, [])).await?;
            assert_eq!(row.unwrap().try_get::<i64>("", "own")?, client, "{text}");
        }
    }
    Ok(())
}

/// All of them, at once; the table is theirs.
pub(super) async fn clients(db: &RoutedConnection) {
    let clients = (0..CLIENTS).map(|n| tokio::spawn(client(db.clone(), n)));
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap().unwrap();
    }
    let all = "SELECT count(*) FROM noted";
    assert_eq!(number(&db.primary(), all).await, 2 * CLIENTS * ROUNDS);
}

async fn bears(mode: PoolMode, database: &'static str) {
    let place = SLOT.alone(database).await;
    place.others("CREATE TABLE noted (client bigint NOT NULL, kind bigint NOT NULL)");
    let poolers = Poolers::before(&place, mode, StartUpOptions::Dropped);
    let db = poolers.builder(database).connect().await.unwrap();
    clients(&db).await;
    for standby in place.cluster().standbys() {
        assert!(
            standby.statements_with("AS own").unwrap() > 0,
            "no reads there"
        );
    }
    balanced(&db).await;
}

/// Whatever was found out of the poolers, nothing was taken out.
async fn balanced(db: &RoutedConnection) {
    let topology = db.cluster().topology();
    let eligible = |node: &&sealane::NodeStatus| node.ineligible.is_none();
    assert_eq!(
        topology.nodes.iter().filter(eligible).count(),
        3,
        "{topology}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_poolers_in_session_mode_nothing_fails_and_nothing_is_stale() {
    bears(PoolMode::Session, "poolers_load_session").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_poolers_in_transaction_mode_nothing_fails_and_nothing_is_stale() {
    for mode in super::sharing() {
        let database = match mode {
            PoolMode::Prepared => "poolers_load_prepared",
            _ => "poolers_load_transaction",
        };
        bears(mode, database).await;
    }
}
