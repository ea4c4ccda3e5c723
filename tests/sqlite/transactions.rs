//! Transactions: their node, their savepoints, their ends (rule R9).

use sea_orm::{
    AccessMode, ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait,
    IsolationLevel, PaginatorTrait, TransactionError, TransactionTrait,
};

use crate::fixture::{Decisions, File, author};

async fn insert(db: &impl ConnectionTrait, name: &str) -> Result<author::Model, DbErr> {
    author::ActiveModel {
        name: Set(name.into()),
        ..Default::default()
    }
    .insert(db)
    .await
}

#[tokio::test]
async fn a_transaction_stays_on_the_primary_with_its_reads() {
    let file = File::new();
    let db = file.with_tables().await;
    let (decisions, _guard) = Decisions::listen();
    let txn = db.begin().await.unwrap();
    assert_eq!(decisions.take(), [("primary".into(), "transaction".into())]);
    insert(&txn, "a").await.unwrap();
    assert_eq!(author::Entity::find().count(&txn).await.unwrap(), 1);
    assert_eq!(
        author::Entity::find().count(&db).await.unwrap(),
        0,
        "not committed yet"
    );
    txn.commit().await.unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 1);
}

#[tokio::test]
async fn dropped_and_rolled_back_transactions_store_nothing() {
    let file = File::new();
    let db = file.with_tables().await;
    let txn = db.begin().await.unwrap();
    insert(&txn, "a").await.unwrap();
    drop(txn);
    let txn = db.begin().await.unwrap();
    insert(&txn, "b").await.unwrap();
    txn.rollback().await.unwrap();
    assert_eq!(
        author::Entity::find().count(&db.primary()).await.unwrap(),
        0
    );
}

#[tokio::test]
async fn savepoints_nest() {
    let file = File::new();
    let db = file.with_tables().await;
    let outer = db.begin().await.unwrap();
    insert(&outer, "kept").await.unwrap();
    let inner = outer.begin().await.unwrap();
    insert(&inner, "undone").await.unwrap();
    let innermost = inner.begin().await.unwrap();
    insert(&innermost, "undone too").await.unwrap();
    innermost.commit().await.unwrap();
    inner.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(author::names(&db).await, ["kept"]);
}

#[tokio::test]
async fn closures_commit_on_ok_and_roll_back_on_err() {
    let file = File::new();
    let db = file.with_tables().await;
    db.transaction::<_, _, DbErr>(|txn| Box::pin(async move { insert(txn, "boxed").await }))
        .await
        .unwrap();
    let failed = db
        .transaction::<_, (), DbErr>(|txn| {
            Box::pin(async move {
                insert(txn, "undone").await?;
                Err(DbErr::Custom("no".into()))
            })
        })
        .await;
    assert!(matches!(
        failed,
        Err(TransactionError::Transaction(DbErr::Custom(_)))
    ));

    let name = String::from("borrowed");
    db.transaction_async(async |txn| insert(txn, &name).await)
        .await
        .unwrap();
    db.transaction_with_config_async(
        async |txn| {
            txn.transaction_async(async |inner| insert(inner, "nested").await)
                .await
                .map_err(|err| match err {
                    TransactionError::Connection(err) | TransactionError::Transaction(err) => err,
                })
        },
        Some(IsolationLevel::Serializable),
        None,
    )
    .await
    .unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 3);
}

#[tokio::test]
async fn a_read_only_transaction_runs_on_a_replica_and_cannot_write() {
    let file = File::new();
    let db = file.with_tables().await;
    let (decisions, _guard) = Decisions::listen();
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(
        decisions.take(),
        [("replica".into(), "read_only_transaction".into())]
    );
    assert_eq!(txn.role(), sealane::Role::Replica);
    assert_eq!(author::Entity::find().count(&txn).await.unwrap(), 0);
    insert(&txn, "a").await.unwrap_err();
    txn.rollback().await.unwrap();

    let serializable = db
        .begin_with_config(
            Some(IsolationLevel::Serializable),
            Some(AccessMode::ReadOnly),
        )
        .await
        .unwrap();
    assert_eq!(
        serializable.role(),
        sealane::Role::Primary,
        "a standby refuses serializable"
    );
    serializable.rollback().await.unwrap();
}

#[tokio::test]
async fn nested_active_models_save_through_a_transaction_of_ours() {
    // ActiveModelEx recurses through `TransactionTrait::Transaction`, which must be a fixed point.
    fn fixed_point<T: TransactionTrait<Transaction = T>>() {}
    fixed_point::<sealane::RoutedTransaction>();
}
