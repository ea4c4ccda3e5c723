//! One changed import: code that names SeaORM's types compiles and runs.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectOptions, DbErr, EntityTrait, TransactionTrait,
};
use sealane::drop_in::{Database, DatabaseConnection, DatabaseTransaction, DbConn};

use crate::fixture::{File, author, create_tables};

struct Service {
    db: DatabaseConnection,
}

impl Service {
    async fn add(&self, name: &str) -> Result<author::Model, DbErr> {
        let txn = self.db.begin().await?;
        let author = add_in(&txn, name).await?;
        txn.commit().await?;
        Ok(author)
    }
}

async fn add_in(txn: &DatabaseTransaction, name: &str) -> Result<author::Model, DbErr> {
    author::ActiveModel {
        name: Set(name.into()),
        ..Default::default()
    }
    .insert(txn)
    .await
}

async fn all(db: &DbConn) -> Result<Vec<author::Model>, DbErr> {
    author::Entity::find().all(db).await
}

#[tokio::test]
async fn functions_and_fields_that_name_the_types_work() {
    let file = File::new();
    let mut options = ConnectOptions::new(file.url());
    options.max_connections(3).sqlx_logging(false);
    let db = Database::connect(options).await.unwrap();
    create_tables(&db).await.unwrap();
    let service = Service { db: db.clone() };
    service.add("a").await.unwrap();
    service
        .db
        .transaction::<_, _, DbErr>(|txn| Box::pin(async move { add_in(txn, "b").await }))
        .await
        .unwrap();
    assert_eq!(all(&db).await.unwrap().len(), 2);
    assert_eq!(all(&db.replica()).await.unwrap().len(), 2);
    db.ping().await.unwrap();
    db.close().await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "Disconnected")]
async fn a_default_handle_is_disconnected_as_seaorms_is() {
    let db = DatabaseConnection::default();
    assert!(db.ping().await.is_err());
    let _ = db.get_database_backend();
}
