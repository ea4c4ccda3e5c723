//! Streams: their node, their lease, their end.

use futures_util::TryStreamExt;
use sea_orm::{ActiveValue::Set, EntityTrait, StreamTrait, TransactionTrait};

use crate::fixture::{Decisions, File, author, sql};

async fn filled(file: &File, rows: usize) -> sealane::RoutedConnection {
    let db = file.with_tables().await;
    let authors = (0..rows).map(|n| author::ActiveModel {
        name: Set(n.to_string()),
        ..Default::default()
    });
    author::Entity::insert_many(authors)
        .exec(&db)
        .await
        .unwrap();
    db
}

#[tokio::test]
async fn a_stream_reads_the_replica_and_yields_every_row() {
    let file = File::new();
    let db = filled(&file, 200).await;
    let (decisions, _guard) = Decisions::listen();
    let rows: Vec<author::Model> = author::Entity::find()
        .stream(&db)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 200);
    assert_eq!(decisions.roles(), ["replica"]);
}

#[tokio::test]
async fn a_lease_lives_as_long_as_its_stream() {
    let file = File::new();
    let db = filled(&file, 200).await;
    let in_flight = || {
        db.cluster()
            .topology()
            .nodes
            .iter()
            .map(|node| node.in_flight)
            .sum::<u64>()
    };
    let mut stream = author::Entity::find().stream(&db).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    assert_eq!(in_flight(), 1);
    drop(stream);
    assert_eq!(in_flight(), 0);
}

#[tokio::test]
async fn an_empty_stream_ends_and_a_wrong_one_fails_at_its_first_row() {
    let file = File::new();
    let db = filled(&file, 1).await;
    let mut none = db
        .stream_raw(sql(&db, "SELECT id FROM author WHERE id < 0"))
        .await
        .unwrap();
    assert!(none.try_next().await.unwrap().is_none());
    let mut wrong = db
        .stream_raw(sql(&db, "SELECT nothing FROM author"))
        .await
        .unwrap();
    wrong.try_next().await.unwrap_err();
    assert!(
        wrong.try_next().await.unwrap().is_none(),
        "an error is the end"
    );
}

#[tokio::test]
async fn a_narrowed_handle_streams_when_it_is_bound_to_a_name() {
    let file = File::new();
    let db = filled(&file, 3).await;
    let (decisions, _guard) = Decisions::listen();
    let primary = db.primary();
    let rows: Vec<author::Model> = author::Entity::find()
        .stream(&primary)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(decisions.roles(), ["primary"]);
}

#[tokio::test]
async fn a_transaction_streams_what_it_wrote() {
    let file = File::new();
    let db = filled(&file, 3).await;
    let txn = db.begin().await.unwrap();
    author::Entity::delete_by_id(1).exec(&txn).await.unwrap();
    let rows: Vec<author::Model> = author::Entity::find()
        .stream(&txn)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    txn.commit().await.unwrap();
}
