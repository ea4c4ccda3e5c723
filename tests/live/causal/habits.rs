//! What applications do after a write, while replay lags or stands still.

use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, Set};

use super::{COUNT, SLOT, connect, until_on_a_replica};
use crate::{faults::item, fixture::number};

/// SeaORM reads back what it inserted where the server has no RETURNING; many applications do the same.
#[tokio::test]
async fn what_was_inserted_is_found_at_once_however_long_replay_takes() {
    let place = SLOT.alone("habit_insert").await;
    place.others("CREATE TABLE item (id int PRIMARY KEY, name text NOT NULL)");
    let db = connect(&place).await;
    for standby in place.cluster().standbys() {
        standby.apply_delay(Duration::from_millis(200)).unwrap();
    }
    for id in 1..=60 {
        let model = item::ActiveModel {
            id: Set(id),
            name: Set(format!("item {id}")),
        };
        item::Entity::insert(model)
            .exec_without_returning(&db)
            .await
            .unwrap();
        let found = item::Entity::find_by_id(id).one(&db).await.unwrap();
        assert!(found.is_some(), "{id}");
    }
    for standby in place.cluster().standbys() {
        standby.apply_delay(Duration::ZERO).unwrap();
    }
    place.caught_up();
}

/// C7: a concrete connection that is kept, as a migrator keeps it, leaves no stale read behind, whenever it is used.
#[tokio::test]
async fn a_concrete_connection_that_is_kept_leaves_no_stale_read_behind() {
    let place = SLOT.alone("habit_concrete").await;
    let db = connect(&place).await;
    let (kept, session) = (db.concrete(), db.session());
    let in_session = session.concrete();
    for n in 1..=20 {
        let frozen = place.freeze_replay();
        let by = if n % 2 == 0 { kept } else { in_session };
        by.execute_unprepared(&format!("INSERT INTO t VALUES ({n})"))
            .await
            .unwrap();
        for _ in 0..5 {
            assert_eq!(number(&db, COUNT).await, n);
            assert_eq!(
                number(&session, COUNT).await,
                n,
                "it was asked for in this session"
            );
        }
        drop(frozen);
        until_on_a_replica(&db, n).await;
    }
}
