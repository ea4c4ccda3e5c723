//! Whose writes a read has to see (rule C8).

use sea_orm::ConnectionTrait;
use sealane::{Reason, RoutedConnection, Scope, scope};

use super::{COUNT, SLOT, builder, connect, connect_with, insert, reason, until_on_a_replica};
use crate::{
    fixture::number,
    place::{Slot, until},
};

static OTHER: Slot = Slot::new(1);

#[tokio::test]
async fn a_session_sees_its_own_writes_and_what_was_there_when_it_began() {
    let place = SLOT.alone("scope_sessions").await;
    let db = connect(&place).await;
    insert(&db, 1).await;
    until_on_a_replica(&db, 1).await;
    let before = db.session();
    let _frozen = place.freeze_replay();
    let (writer, empty) = (db.session(), db.empty_session());
    insert(&writer, 2).await;
    let (after, clone) = (db.session(), writer.clone());
    let nested = writer.session();

    assert_eq!(number(&writer, COUNT).await, 2);
    assert_eq!(number(&clone, COUNT).await, 2, "clones are one session");
    assert_eq!(number(&nested, COUNT).await, 2, "it goes on from there");
    assert_eq!(
        number(&after, COUNT).await,
        2,
        "it goes on from the process"
    );
    assert_eq!(
        number(&db, COUNT).await,
        2,
        "a session's write is the process's"
    );
    assert_eq!(number(&writer.in_zone("x"), COUNT).await, 2);
    assert_eq!(
        reason(&before),
        Reason::Replica,
        "that write is not its own"
    );
    assert_eq!(number(&before, COUNT).await, 1);
    assert_eq!(reason(&empty), Reason::Replica);

    let loader = db.untracked();
    let reader = db.empty_session();
    insert(&loader, 3).await;
    assert_eq!(reason(&loader), Reason::Replica);
    assert_eq!(reason(&reader), Reason::Replica);

    // Something happened behind our back.
    reader.note_external_write();
    assert_eq!(number(&reader, COUNT).await, 3);
    assert_eq!(reason(&reader), Reason::NotCaughtUp);
}

#[tokio::test]
async fn two_handles_of_one_process_share_what_it_wrote() {
    let place = SLOT.alone("scope_shared").await;
    let writer = connect(&place).await;
    let reader = builder(&place).connect().await.unwrap();
    let _frozen = place.freeze_replay();
    insert(&writer, 1).await;
    assert_eq!(number(&reader, COUNT).await, 1);
    drop(writer);
    assert_eq!(
        number(&reader, COUNT).await,
        1,
        "also when the writer is gone"
    );
}

#[tokio::test]
async fn a_scope_gives_plain_handles_its_session() {
    let place = SLOT.alone("scope_future").await;
    let elsewhere = OTHER.alone("scope_elsewhere").await;
    let db = connect(&place).await;
    let other = connect(&elsewhere).await;
    let _frozen = (place.freeze_replay(), elsewhere.freeze_replay());
    let session = db.session();
    scope(&session, async {
        insert(&db, 1).await;
        assert_eq!(number(&db, COUNT).await, 1);
        let spawned = tokio::spawn({
            let db = db.empty_session();
            async move { reason(&db) }
        });
        assert_eq!(spawned.await.unwrap(), Reason::Replica);
        // The innermost counts; an explicit session on a handle always wins.
        scope(&db.empty_session(), async {
            assert_eq!(reason(&db), Reason::Replica);
            assert_eq!(reason(&session), Reason::NotCaughtUp);
            // Two clusters do not disturb each other.
            scope(&other.session(), async {
                insert(&other, 1).await;
                assert_eq!(number(&other, COUNT).await, 1);
                assert_eq!(reason(&db), Reason::Replica);
            })
            .await;
        })
        .await;
        assert_eq!(reason(&db), Reason::NotCaughtUp);
    })
    .await;
    assert_eq!(reason(&session), Reason::NotCaughtUp);
    assert_eq!(reason(&db.empty_session()), Reason::Replica);
}

async fn in_a_task<T: 'static>(
    db: &RoutedConnection,
    work: impl AsyncFnOnce(RoutedConnection) -> T + 'static,
) -> T {
    let db = db.clone();
    tokio::task::LocalSet::new()
        .run_until(async move { tokio::task::spawn_local(work(db)).await.unwrap() })
        .await
}

#[tokio::test]
async fn with_the_scope_task_a_task_sees_its_own_writes_and_the_process_all() {
    let place = SLOT.alone("scope_task").await;
    let db = connect_with(&place, |builder| builder.scope(Scope::Task)).await;
    let frozen = place.freeze_replay();
    in_a_task(&db, async |db| {
        insert(&db, 1).await;
        assert_eq!(number(&db, COUNT).await, 1);
        assert_eq!(reason(&db), Reason::NotCaughtUp);
        let child = in_a_task(&db, async |db| reason(&db)).await;
        assert_eq!(child, Reason::Replica, "a task of its own");
    })
    .await;
    assert_eq!(
        in_a_task(&db, async |db| reason(&db)).await,
        Reason::Replica
    );
    drop(frozen);
    place.caught_up();
}

/// C8: bounded, and nothing that was written is forgotten.
#[tokio::test]
async fn a_great_number_of_tasks_is_folded_and_loses_no_freshness() {
    let place = SLOT.alone("scope_many").await;
    let db = connect_with(&place, |builder| builder.scope(Scope::Task)).await;
    let tracked = async || crate::heard::counter(&db, "sealane_tracked_tasks").await;
    let frozen = place.freeze_replay();
    in_a_task(&db, async |db| insert(&db, 0).await).await;
    let tasks: i64 = if std::env::var_os("SEALANETEST_LONG").is_some() {
        1_000_000
    } else {
        20_000
    };
    let mut most = 0;
    for n in 0..tasks {
        // What a write leaves behind, without the write: a million of those would take all day.
        let noted = db.clone();
        tokio::spawn(async move { noted.note_external_write() })
            .await
            .unwrap();
        if n % 1_000 == 0 {
            most = most.max(tracked().await);
        }
    }
    assert!(most > 1_000 && most <= 4_096, "{most}");
    in_a_task(&db, async |db| {
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        assert_eq!(number(&db, COUNT).await, 2);
    })
    .await;
    // Those that were folded bind everybody.
    assert_eq!(
        in_a_task(&db, async |db| reason(&db)).await,
        Reason::NotCaughtUp
    );
    drop(frozen);
    place.caught_up();
    until("forgetting", async || tracked().await == 0).await;
    assert_eq!(
        in_a_task(&db, async |db| reason(&db)).await,
        Reason::Replica
    );
}
