//! Proxies that the application made: reads meet the replica's and writes the primary's.
//!
//! A binary of its own: SeaORM 2.0.4 does not compile with its proxy and the SQLite or MySQL backend together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is its report"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection, DbBackend,
    DbErr, EntityTrait, PaginatorTrait, ProxyDatabaseTrait, ProxyExecResult, ProxyRow, Statement,
    TransactionTrait,
};
use sealane::RoutedConnection;

mod cake {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "cake")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was asked of a proxy, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// Answers every query with one cake of its own name, and keeps what it was asked.
#[derive(Debug)]
struct Double {
    name: &'static str,
    asked: Asked,
}

impl Double {
    fn note(&self, what: &str) {
        self.asked.lock().unwrap().push(what.to_owned());
    }
}

#[async_trait::async_trait]
impl ProxyDatabaseTrait for Double {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        self.note(&statement.sql);
        let row = [
            ("id", 1i32.into()),
            ("name", self.name.into()),
            ("num_items", 7i64.into()),
        ];
        let row = row.map(|(column, value)| (column.to_owned(), value));
        Ok(vec![ProxyRow::new(BTreeMap::from(row))])
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        self.note(&statement.sql);
        Ok(ProxyExecResult::new(1, 1))
    }

    async fn begin(&self) {
        self.note("BEGIN");
    }

    async fn commit(&self) {
        self.note("COMMIT");
    }

    async fn rollback(&self) {
        self.note("ROLLBACK");
    }
}

async fn double(name: &'static str) -> (DatabaseConnection, Asked) {
    let asked = Asked::default();
    let double = Double {
        name,
        asked: Arc::clone(&asked),
    };
    let connection = Database::connect_proxy(DbBackend::Postgres, Arc::new(Box::new(double))).await;
    (connection.unwrap(), asked)
}

fn take(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut asked.lock().unwrap())
}

#[tokio::test]
async fn reads_meet_the_replicas_proxy_and_writes_the_primarys() {
    let (primary, on_primary) = double("primary").await;
    let (replica, on_replica) = double("replica").await;
    let db = RoutedConnection::from_connections(primary, [replica]);
    assert_eq!(db.get_database_backend(), DbBackend::Postgres);

    let found = cake::Entity::find().all(&db).await.unwrap();
    assert_eq!(found[0].name, "replica");
    let found = cake::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    assert_eq!(found.name, "replica");
    assert_eq!(cake::Entity::find().count(&db).await.unwrap(), 7);
    assert_eq!(take(&on_replica).len(), 3);
    assert_eq!(take(&on_primary), [""; 0]);

    let new = cake::ActiveModel {
        name: Set("new".to_owned()),
        ..Default::default()
    };
    assert_eq!(new.insert(&db).await.unwrap().name, "primary");
    db.execute_unprepared("DELETE FROM cake").await.unwrap();
    let found = cake::Entity::find()
        .one(&db.primary())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.name, "primary");
    let sent = take(&on_primary);
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(
        sent[0].starts_with("INSERT") && sent[1].starts_with("DELETE"),
        "{sent:?}"
    );
    // The proxy's primary was written to, so what follows reads there (C14); a replica() handle does not mind.
    cake::Entity::find().one(&db.replica()).await.unwrap();
    assert_eq!(take(&on_replica).len(), 1);
    assert_eq!(take(&on_primary), [""; 0]);
}

#[tokio::test]
async fn a_transaction_is_the_primarys_whole() {
    let (primary, on_primary) = double("primary").await;
    let (replica, on_replica) = double("replica").await;
    let db = RoutedConnection::from_connections(primary, [replica]);
    let txn = db.begin().await.unwrap();
    let found = cake::Entity::find().one(&txn).await.unwrap().unwrap();
    assert_eq!(found.name, "primary");
    txn.commit().await.unwrap();
    let sent = take(&on_primary);
    assert_eq!(sent.first().map(String::as_str), Some("BEGIN"), "{sent:?}");
    assert_eq!(sent.last().map(String::as_str), Some("COMMIT"), "{sent:?}");
    assert_eq!(take(&on_replica), [""; 0]);
    assert!(db.as_proxy_connection().get_database_backend() == DbBackend::Postgres);
}

#[tokio::test]
async fn a_proxy_is_connected_under_the_drop_ins_name() {
    let asked = Asked::default();
    let double = Double {
        name: "only",
        asked: Arc::clone(&asked),
    };
    let double: Arc<Box<dyn ProxyDatabaseTrait>> = Arc::new(Box::new(double));
    let connected = sealane::drop_in::Database::connect_proxy(DbBackend::Postgres, double).await;
    let db: sealane::drop_in::DatabaseConnection = connected.unwrap();
    let found = cake::Entity::find().one(&db).await.unwrap().unwrap();
    assert_eq!(found.name, "only");
    assert_eq!(take(&asked).len(), 1);
}
