//! What a session wrote it reads, however late the replicas are (rule C14).

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, PaginatorTrait,
    TransactionTrait,
};

use super::stage::{Stage, note};
use crate::fixture::number;

const COUNT: &str = "SELECT count(*) FROM note";

#[tokio::test]
async fn a_read_sees_what_was_written_before_while_no_replica_applies_anything() {
    let stage = Stage::new("own_writes").await;
    let db = stage.builder().connect().await.unwrap();
    let _stopped = stage.stop_appliers();
    for n in 1..=20 {
        db.execute_unprepared("INSERT INTO note (text) VALUES ('x')")
            .await
            .unwrap();
        assert_eq!(number(&db, COUNT).await, n);
        // Asked for by name, a replica answers what it has.
        assert_eq!(number(&db.replica(), COUNT).await, 0);
    }
    let txn = db.begin().await.unwrap();
    txn.execute_unprepared("DELETE FROM note").await.unwrap();
    assert_eq!(number(&txn, COUNT).await, 0);
    txn.commit().await.unwrap();
    assert_eq!(number(&db, COUNT).await, 0);
}

/// Without RETURNING, SeaORM inserts and then selects by the id that it was told: two statements, which must be of one mind.
#[tokio::test]
async fn an_insert_that_is_read_back_never_fails_however_late_the_replicas_are() {
    let stage = Stage::new("own_inserts").await;
    let db = stage.builder().connect().await.unwrap();
    let _stopped = stage.stop_appliers();
    for n in 0..20 {
        let text = format!("note {n}");
        let made = note::ActiveModel {
            text: Set(text.clone()),
            ..Default::default()
        };
        let made = made.insert(&db).await.unwrap();
        assert_eq!(made.text, text);
        let mut changed: note::ActiveModel = made.into();
        changed.text = Set("changed".to_owned());
        let changed = changed.update(&db).await.unwrap();
        assert_eq!(changed.text, "changed");
        let found = note::Entity::find_by_id(changed.id).one(&db).await.unwrap();
        assert_eq!(found.unwrap().text, "changed");
    }
    let many = (0..3).map(|n| note::ActiveModel {
        text: Set(format!("many {n}")),
        ..Default::default()
    });
    note::Entity::insert_many(many).exec(&db).await.unwrap();
    assert_eq!(note::Entity::find().count(&db).await.unwrap(), 23);
}

/// What others wrote is no reason to leave the replicas.
#[tokio::test]
async fn a_session_that_wrote_nothing_reads_on_the_replicas() {
    let stage = Stage::new("own_nothing").await;
    let db = stage.builder().connect().await.unwrap();
    for _ in 0..10 {
        number(&db, COUNT).await;
    }
    let sent = stage.sent(COUNT);
    assert_eq!((sent[0], sent[1] + sent[2]), (0, 10), "{sent:?}");
}
