//! What goes where, as the servers count it.

use sea_orm::{
    AccessMode, ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, ModelTrait,
    TransactionTrait,
};
use sealane::Role;

use super::stage::{Stage, note};
use crate::fixture::{number, sql};

const READS: usize = 40;

#[tokio::test]
async fn writes_go_to_the_primary_and_reads_to_both_replicas() {
    let stage = Stage::new("routing_entities").await;
    let db = stage.eventual().await;
    let written = note::ActiveModel {
        text: Set("first".to_owned()),
        ..Default::default()
    };
    // SeaORM reads what it inserted, which reads that may miss anything may miss.
    let fresh = db.with_consistency(sealane::Consistency::ReadYourWrites);
    let written = written.insert(&fresh).await.unwrap();
    let mut changed: note::ActiveModel = written.clone().into();
    changed.text = Set("second".to_owned());
    changed.update(&db).await.unwrap();
    for _ in 0..READS {
        note::Entity::find().all(&db).await.unwrap();
    }
    written.delete(&db).await.unwrap();
    for verb in ["INSERT INTO", "UPDATE ", "DELETE FROM"] {
        let [primary, others @ ..] = &stage.sent(verb)[..] else {
            panic!()
        };
        assert!(*primary >= 1, "{verb}");
        assert_eq!(others, [0, 0], "{verb}");
    }
    let reads = stage.sent("FROM `note`");
    assert!(
        reads[1] > 0 && reads[2] > 0,
        "both replicas serve: {reads:?}"
    );
    assert!(reads[1] + reads[2] >= READS, "{reads:?}");
}

#[tokio::test]
async fn a_transaction_runs_on_the_primary_and_a_read_only_one_on_a_replica() {
    let stage = Stage::new("routing_transactions").await;
    let db = stage.eventual().await;
    let txn = db.begin().await.unwrap();
    assert_eq!(
        number(&txn, "SELECT count(*) AS in_a_writing_one FROM note").await,
        0
    );
    txn.commit().await.unwrap();
    let txn = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await
        .unwrap();
    assert_eq!(txn.role(), Role::Replica);
    assert_eq!(
        number(&txn, "SELECT count(*) AS in_a_reading_one FROM note").await,
        0
    );
    let refused = txn
        .execute_unprepared("INSERT INTO note (text) VALUES ('refused')")
        .await;
    assert!(refused.is_err());
    txn.rollback().await.unwrap();
    assert_eq!(stage.sent("in_a_writing_one"), [1, 0, 0]);
    let reading = stage.sent("in_a_reading_one");
    assert_eq!((reading[0], reading[1] + reading[2]), (0, 1), "{reading:?}");
}

#[tokio::test]
async fn what_is_no_plain_read_runs_on_the_primary() {
    let stage = Stage::new("routing_words").await;
    let db = stage.eventual().await;
    for text in [
        "SELECT id AS locked FROM note FOR UPDATE",
        "SELECT id AS shared FROM note LOCK IN SHARE MODE",
        "SELECT /*!50000 SQL_NO_CACHE */ id AS commented FROM note /*!50000 FOR UPDATE */",
        "SHOW VARIABLES LIKE 'server_id'",
        "SELECT last_insert_id() AS last",
        "SELECT \"a\\\" , '\" AS doubled",
    ] {
        db.query_all_raw(sql(&db, text)).await.unwrap();
    }
    for (part, what) in [
        ("AS locked", "FOR UPDATE"),
        ("AS shared", "a share lock"),
        ("AS commented", "an executable comment"),
        ("AS last", "a session's value"),
    ] {
        let sent = stage.sent(part);
        assert_eq!(sent, [1, 0, 0], "{what}");
    }
}
