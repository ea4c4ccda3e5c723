//! Settings of one handle, for policies of row-level security: where its statements run, and that nothing of them is left
//! (rule R11).

mod begun;
mod left;
mod lost;
mod policies;
mod values;

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, Statement};
use sealane::{Builder, Error, OnStale, RoutedConnection};

use crate::{
    heard::Heard,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

const SETUP: &str = "
    DO $$ BEGIN CREATE ROLE tenant_app LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
    GRANT pg_monitor TO tenant_app;
    CREATE TABLE note (id bigserial PRIMARY KEY, tenant text NOT NULL, text text NOT NULL);
    ALTER TABLE note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON note USING (tenant = current_setting('app.tenant', true));
    INSERT INTO note (tenant, text) VALUES ('a', 'of a'), ('b', 'of b'), ('b', 'of b');
    GRANT ALL ON note, note_id_seq TO tenant_app";

const COUNT: &str = "SELECT count(*) FROM note";

/// A table with rows of `a` and of `b`, and a role that sees its tenant's.
async fn place(database: &str) -> Place {
    let place = SLOT.alone(database).await;
    place.others(SETUP);
    place
}

fn builder(place: &Place) -> Builder {
    let app = |url: String| url.replace("postgres@", "tenant_app@");
    RoutedConnection::builder()
        .primary(app(format!("{}?name=primary", place.primary_url())))
        .replicas(place.replica_urls().into_iter().map(app))
}

fn stmt(text: impl Into<String>) -> Statement {
    Statement::from_string(sea_orm::DbBackend::Postgres, text)
}

async fn number(db: &impl ConnectionTrait, text: &str) -> Result<i64, DbErr> {
    let row = db.query_one_raw(stmt(text)).await?.unwrap();
    row.try_get_by_index(0)
}

async fn word(db: &impl ConnectionTrait, text: &str) -> Result<String, DbErr> {
    let row = db.query_one_raw(stmt(text)).await?.unwrap();
    row.try_get_by_index(0)
}

/// Waits until the catalog is known as this handle has to see it: reads of the table go to the replica.
async fn known(db: &RoutedConnection, heard: &Heard) {
    until("reads of the tenant on the replica", async || {
        heard.decisions();
        number(db, COUNT).await.unwrap();
        heard.decisions().iter().all(|one| one.role == "replica")
    })
    .await;
}

/// What two tenants write and read at the same time, each through its own handle, on connections that they share.
async fn interleaved(place: &Place, connections: u32) {
    let (heard, _guard) = Heard::listen();
    let db = builder(place)
        .max_connections(connections)
        .replica_max_connections(connections)
        .connect()
        .await
        .unwrap();
    let tenant = |name: &str| db.with_local("app.tenant", name).unwrap();
    known(&tenant("a"), &heard).await;

    let tasks = (0..6).map(|task| {
        let name = ["a", "b"][task % 2];
        let handle = tenant(name);
        tokio::spawn(async move {
            let mine = format!("{task} of {connections}");
            for round in 1..=25 {
                let insert = format!("INSERT INTO note (tenant, text) VALUES ('{name}', '{mine}')");
                handle.execute_unprepared(&insert).await.unwrap();
                let count = format!("SELECT count(*) FROM note WHERE text = '{mine}'");
                assert_eq!(number(&handle, &count).await.unwrap(), round);
                let foreign = format!("SELECT count(*) FROM note WHERE tenant <> '{name}'");
                assert_eq!(number(&handle, &foreign).await.unwrap(), 0);
                let both = number(&handle.primary(), COUNT).await.unwrap();
                assert!(both >= round);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let reads = heard.decisions().into_iter();
    let reads: Vec<_> = reads.filter(|one| one.intent == "read").collect();
    let on_replica = reads.iter().filter(|one| one.role == "replica").count();
    assert!(on_replica > 0, "none of {} reads", reads.len());
    // Whoever has no tenant sees nothing, on whichever connection.
    for _ in 0..2 * connections {
        assert_eq!(number(&db, COUNT).await.unwrap(), 0);
    }
    db.close().await.unwrap();
}

#[tokio::test]
async fn two_tenants_share_a_pool_of_one() {
    interleaved(&place("tenants_one").await, 1).await;
}

#[tokio::test]
async fn two_tenants_share_a_pool_of_three() {
    interleaved(&place("tenants_three").await, 3).await;
}

/// Whatever a handle does about replicas that are behind, it does for a tenant's reads.
#[tokio::test]
async fn a_tenants_read_is_never_stale() {
    let place = place("tenants_stale").await;
    let (heard, _guard) = Heard::listen();
    let db = builder(&place).connect().await.unwrap();
    let tenant = db.with_local("app.tenant", "a").unwrap();
    known(&tenant, &heard).await;
    let frozen = place.freeze_replay();
    let mut rows = 1;
    for what in [OnStale::Primary, OnStale::Wait, OnStale::Error] {
        let handle = tenant
            .with_on_stale(what)
            .with_stale_wait(Duration::from_millis(5));
        let insert = "INSERT INTO note (tenant, text) VALUES ('a', 'x')";
        handle.execute_unprepared(insert).await.unwrap();
        rows += 1;
        match number(&handle, COUNT).await {
            Ok(count) => assert_eq!(count, rows, "{what}"),
            Err(err) => {
                let ours = Error::from_db_err(&err).unwrap();
                assert!(matches!(ours, Error::NotCaughtUp { .. }), "{what}: {ours}");
            }
        }
    }
    drop(frozen);
    until("the replica to have it", async || {
        heard.decisions();
        assert_eq!(number(&tenant, COUNT).await.unwrap(), rows);
        heard.decisions().iter().all(|one| one.role == "replica")
    })
    .await;
    db.close().await.unwrap();
}
