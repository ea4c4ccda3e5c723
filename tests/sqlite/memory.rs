//! A database in memory: one connection for everything, never closed.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, PaginatorTrait};
use sealane::RoutedConnection;

use crate::fixture::{Decisions, author, create_tables};

#[tokio::test]
async fn in_memory_keeps_what_it_is_given() {
    let db = RoutedConnection::builder()
        .primary("sqlite::memory:")
        .connect()
        .await
        .unwrap();
    create_tables(&db).await.unwrap();
    let (decisions, _guard) = Decisions::listen();
    author::ActiveModel {
        name: Set("a".into()),
        ..Default::default()
    }
    .insert(&db)
    .await
    .unwrap();
    assert_eq!(author::Entity::find().count(&db).await.unwrap(), 1);
    assert_eq!(
        decisions.take()[1],
        ("primary".into(), "only_primary".into())
    );
}

#[tokio::test]
async fn two_in_memory_databases_are_two() {
    let one = RoutedConnection::builder()
        .primary("sqlite::memory:")
        .connect()
        .await
        .unwrap();
    let two = RoutedConnection::builder()
        .primary("sqlite::memory:")
        .connect()
        .await
        .unwrap();
    create_tables(&one).await.unwrap();
    create_tables(&two).await.unwrap();
    author::ActiveModel {
        name: Set("a".into()),
        ..Default::default()
    }
    .insert(&one)
    .await
    .unwrap();
    assert_eq!(author::Entity::find().count(&two).await.unwrap(), 0);
}
