//! What is committed on connections of `concrete()` while they are out, or before they are closed: whoever reads beside
//! them sees it (rules C7, C8). Replay stands still, so that whatever a standby shows is stale.

use futures_util::FutureExt;
use sea_orm::{
    ConnectOptions,
    sqlx::{self, AssertSqlSafe, Connection, PgConnection, PgPool},
};
use sealane::{Consistency, Reason, RoutedConnection, Scope};

use crate::{
    fixture::number,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

const COUNT: &str = "SELECT count(*) FROM t";
const INSERT: &str = "INSERT INTO t VALUES (1)";

async fn connect(place: &Place, scope: Scope) -> RoutedConnection {
    place.others("CREATE TABLE IF NOT EXISTS t (n bigint)");
    let db = place.builder().consistency(Consistency::ReadYourWrites);
    let db = db.scope(scope).connect().await.unwrap();
    until("the replica", async || {
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    db
}

async fn insert(conn: &mut PgConnection) {
    sqlx::raw_sql(INSERT).execute(conn).await.unwrap();
}

/// What a task sees that has done nothing before, and a session that it begins.
async fn in_a_new_task(db: &RoutedConnection) -> [i64; 2] {
    let db = db.clone();
    let read = async move { [number(&db.session(), COUNT).await, number(&db, COUNT).await] };
    tokio::spawn(read).await.unwrap()
}

#[tokio::test]
async fn other_handles_to_the_cluster_see_what_is_committed_on_one_that_is_out() {
    let place = SLOT.alone("unseen_handles").await;
    let (one, two) = (
        connect(&place, Scope::Process).await,
        connect(&place, Scope::Process).await,
    );
    let mut kept = one.get_postgres_connection_pool().acquire().await.unwrap();
    let frozen = place.freeze_replay();
    for n in 1..=3 {
        insert(&mut kept).await;
        assert_eq!(in_a_new_task(&two).await, [n; 2]);
    }
    // It never comes back.
    insert(&mut kept).await;
    kept.close().await.unwrap();
    assert_eq!(in_a_new_task(&two).await, [4; 2]);
    drop(frozen);

    // A pool that is the handle's own, where that has no replicas, is out for as long as it is there.
    let alone = RoutedConnection::builder().primary(place.primary_url());
    let alone = alone.connect().await.unwrap();
    let pool = alone.get_postgres_connection_pool();
    let _frozen = place.freeze_replay();
    for n in 5..=7 {
        sqlx::raw_sql(INSERT).execute(pool).await.unwrap();
        assert_eq!(in_a_new_task(&two).await, [n; 2]);
    }
}

/// Its server is at the statement still, and stores what that does.
#[tokio::test]
async fn what_a_server_goes_on_with_is_seen_although_its_connection_was_closed() {
    let place = SLOT.alone("unseen_closed").await;
    let db = connect(&place, Scope::Process).await;
    let pool = db.get_postgres_connection_pool();
    let mut holds = PgConnection::connect(&place.primary_url()).await.unwrap();
    let lock = "SELECT pg_advisory_lock(7)";
    sqlx::raw_sql(lock).execute(&mut holds).await.unwrap();
    let frozen = place.freeze_replay();

    let mut conn = pool.acquire().await.unwrap();
    let text = format!("{lock}; {INSERT}");
    let mut at_work = Box::pin(sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *conn));
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    until("the statement", async || {
        assert!((&mut at_work).now_or_never().is_none());
        let waiting = sqlx::query_scalar::<_, i64>(waits);
        waiting.fetch_one(&mut holds).await.unwrap() == 1
    })
    .await;
    drop(at_work);
    conn.close().await.unwrap();
    assert_eq!(in_a_new_task(&db).await, [0; 2]);
    holds.close().await.unwrap();
    until("it is stored", async || {
        place.on(place.primary(), COUNT).trim() == "1"
    })
    .await;
    assert_eq!(in_a_new_task(&db).await, [1; 2]);
    drop(frozen);
    until("the replica", async || {
        assert_eq!(number(&db, COUNT).await, 1);
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
}

#[tokio::test]
async fn sessions_and_tasks_begin_with_what_was_committed_on_one_that_is_out_or_closed() {
    let place = SLOT.alone("unseen_sessions").await;
    let mut rows = 0;
    for scope in [Scope::Process, Scope::Task] {
        let db = connect(&place, scope).await;
        let pool = db.get_postgres_connection_pool();
        let _frozen = place.freeze_replay();
        for closes in [false, true] {
            let mut conn = pool.acquire().await.unwrap();
            assert_eq!(in_a_new_task(&db).await, [rows; 2]);
            insert(&mut conn).await;
            rows += 1;
            if closes {
                conn.close().await.unwrap();
            }
            assert_eq!(in_a_new_task(&db).await, [rows; 2], "{scope:?} {closes}");
        }
    }
}

#[tokio::test]
async fn a_task_sees_what_it_wrote_through_a_pool_that_was_taken_outside_of_it() {
    let place = SLOT.alone("unseen_tasks").await;
    let db = connect(&place, Scope::Task).await;
    let pool: PgPool = db.get_postgres_connection_pool().clone();
    let _frozen = place.freeze_replay();
    let work = async move {
        for n in 1..=20 {
            sqlx::raw_sql(INSERT).execute(&pool).await.unwrap();
            assert_eq!(number(&db, COUNT).await, n);
        }
    };
    tokio::spawn(work).await.unwrap();
}

/// What it did is over, and nobody is left who could be asked.
#[tokio::test]
async fn what_was_done_through_a_handle_that_is_gone_is_seen_by_the_others() {
    let place = SLOT.alone("unseen_gone").await;
    let two = connect(&place, Scope::Process).await;
    let alone = RoutedConnection::builder().primary(place.primary_url());
    let alone = alone.connect().await.unwrap();
    let beside = connect(&place, Scope::Process).await;
    let closes = connect(&place, Scope::Process).await;
    let frozen = place.freeze_replay();

    let pool = alone.get_postgres_connection_pool();
    sqlx::raw_sql(INSERT).execute(pool).await.unwrap();
    drop(alone);
    assert_eq!(in_a_new_task(&two).await, [1; 2], "its own pool");

    drop(frozen);
    place.caught_up();
    until("the replica", async || {
        number(&two, COUNT).await;
        two.explain(COUNT).reason == Reason::Replica
    })
    .await;
    let _frozen = place.freeze_replay();
    let pool = beside.get_postgres_connection_pool();
    sqlx::raw_sql(INSERT).execute(pool).await.unwrap();
    drop(beside);
    assert_eq!(in_a_new_task(&two).await, [2; 2], "the pool beside it");

    let pool = closes.get_postgres_connection_pool();
    let mut conn = pool.acquire().await.unwrap();
    insert(&mut conn).await;
    conn.close().await.unwrap();
    drop(closes);
    assert_eq!(in_a_new_task(&two).await, [3; 2], "closed");
}

/// Nothing runs where a connection comes back to a closed pool, and the handle that gave it is there still.
#[tokio::test]
async fn what_was_done_through_a_pool_that_was_closed_is_seen_by_other_handles() {
    let place = SLOT.alone("unseen_pool_closed").await;
    let two = connect(&place, Scope::Process).await;
    let mut rows = 0;
    for (beside, closes) in [(false, false), (false, true), (true, false), (true, true)] {
        let one = match beside {
            true => connect(&place, Scope::Process).await,
            false => {
                let alone = RoutedConnection::builder().primary(place.primary_url());
                alone.connect().await.unwrap()
            }
        };
        place.caught_up();
        until("the replica", async || {
            number(&two, COUNT).await;
            two.explain(COUNT).reason == Reason::Replica
        })
        .await;
        let frozen = place.freeze_replay();
        let pool = one.get_postgres_connection_pool();
        let mut conn = pool.acquire().await.unwrap();
        drop(pool.close());
        insert(&mut conn).await;
        rows += 1;
        if closes {
            conn.close().await.unwrap();
            // At once: no task has run since that could have been told.
            assert_eq!(number(&two, COUNT).await, rows, "{beside}, closed");
        } else {
            assert_eq!(number(&two, COUNT).await, rows, "{beside}, out");
            drop(conn);
        }
        pool.close().await;
        assert_eq!(in_a_new_task(&two).await, [rows; 2], "{beside} {closes}");
        drop(frozen);
    }
}

/// sqlx runs nothing of ours when a connection is taken that was idle, by `try_acquire`.
#[tokio::test]
async fn what_is_committed_on_one_that_was_taken_without_waiting_is_seen() {
    let place = SLOT.alone("unseen_try_acquire").await;
    let db = connect(&place, Scope::Process).await;
    let pool = db.get_postgres_connection_pool();
    drop(pool.acquire().await.unwrap());
    until("one to be idle", async || pool.num_idle() == 1).await;
    let _frozen = place.freeze_replay();
    let mut conn = pool.try_acquire().unwrap();
    for n in 1..=3 {
        insert(&mut conn).await;
        assert_eq!(in_a_new_task(&db).await, [n; 2]);
    }
}

/// With a closure of the caller's on new connections nobody counts those that are opened.
#[tokio::test]
async fn what_was_opened_and_closed_is_seen_where_nobody_counts_connections() {
    let place = SLOT.alone("unseen_uncounted").await;
    place.others("CREATE TABLE t (n bigint)");
    let mut options = ConnectOptions::new(place.primary_url());
    options
        .map_sqlx_postgres_pool_opts(|pool| pool.after_connect(|_, _| Box::pin(async { Ok(()) })));
    let db = place.builder().consistency(Consistency::ReadYourWrites);
    let db = db.connect_options(options).connect().await.unwrap();
    until("the replica", async || {
        db.explain(COUNT).reason == Reason::Replica
    })
    .await;
    let pool = db.get_postgres_connection_pool();
    let _frozen = place.freeze_replay();
    for n in 1..=3 {
        let mut conn = pool.acquire().await.unwrap();
        insert(&mut conn).await;
        conn.close().await.unwrap();
        assert_eq!(in_a_new_task(&db).await, [n; 2]);
    }
}
