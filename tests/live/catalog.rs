//! What only the server knows (rule I5): functions, views, types, operators, unlogged and temporary tables.

mod corpus;
mod extensions;
mod fresh;
mod known;

use sea_orm::ConnectionTrait;
use sealane::{Consistency, Error, Intent, Reason, Role, RoutedConnection};

use crate::{
    fixture::{number, sql},
    heard::Heard,
    place::{Slot, until},
};

static SLOT: Slot = Slot::new(1);

/// Asserts that the text needs the primary: in what is said of it, and for a handle that takes reads only.
async fn needs_primary(db: &RoutedConnection, text: &str) {
    let said = db.explain(text);
    assert_ne!(said.intent, Intent::Read, "{text}: {said}");
    assert_eq!(said.role, Some(Role::Primary), "{text}: {said}");
    let strict = db.replica().query_all_raw(sql(db, text)).await.unwrap_err();
    assert!(
        matches!(Error::from_db_err(&strict), Some(Error::NotARead { .. })),
        "{text}: {strict}"
    );
}

/// Asserts that the text is a read which a standby serves, and really does.
async fn is_read(db: &RoutedConnection, text: &str) {
    until("a replica", async || {
        db.explain(text).reason != Reason::NoReplica
    })
    .await;
    let said = db.explain(text);
    assert_eq!(
        (said.intent, said.reason),
        (Intent::Read, Reason::Replica),
        "{text}: {said}"
    );
    db.replica().query_all_raw(sql(db, text)).await.unwrap();
}

#[tokio::test]
async fn a_stable_function_that_takes_a_lock_runs_on_the_primary() {
    let place = SLOT.shared("catalog_lock").await;
    place.others(
        "CREATE FUNCTION taken(key bigint) RETURNS boolean STABLE LANGUAGE sql \
           AS 'SELECT pg_try_advisory_lock(key)';
         CREATE FUNCTION taken_there(key bigint) RETURNS boolean STABLE LANGUAGE plpgsql \
           AS 'BEGIN RETURN pg_try_advisory_lock(key); END'",
    );
    let db = place.builder().connect().await.unwrap();
    for (text, key) in [("SELECT taken(71)", "71"), ("SELECT taken_there(72)", "72")] {
        needs_primary(&db, text).await;
        db.query_one_raw(sql(&db, text)).await.unwrap();
        let held =
            format!("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {key}");
        assert_eq!(place.on(place.primary(), &held), "1");
        assert_eq!(place.on(place.standby(0), &held), "0");
    }
}

#[tokio::test]
async fn what_a_function_calls_decides_to_the_last_one() {
    let place = SLOT.shared("catalog_calls").await;
    place.others(
        "CREATE SEQUENCE ticket; CREATE TABLE plain (id int); INSERT INTO plain VALUES (1);
         CREATE FUNCTION third() RETURNS bigint STABLE LANGUAGE sql AS $$SELECT nextval('ticket')$$;
         CREATE FUNCTION second() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT third()';
         CREATE FUNCTION first() RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN second(); END';
         CREATE FUNCTION deepest() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM plain';
         CREATE FUNCTION deeper() RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN deepest() + 1; END';
         CREATE FUNCTION volatile_one() RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1';
         CREATE FUNCTION dynamic(what text) RETURNS bigint STABLE LANGUAGE plpgsql \
           AS 'DECLARE n bigint; BEGIN EXECUTE what INTO n; RETURN n; END';
         CREATE VIEW harmless AS SELECT deeper() AS n FROM plain;
         CREATE VIEW harmful AS SELECT first() AS n FROM plain",
    );
    let db = place.builder().connect().await.unwrap();
    is_read(&db, "SELECT deeper()").await;
    is_read(&db, "SELECT n FROM harmless").await;
    needs_primary(&db, "SELECT volatile_one()").await;
    needs_primary(&db, "SELECT dynamic('SELECT 1')").await;
    for (served, text) in ["SELECT first()", "SELECT n FROM harmful", "SELECT second()"]
        .into_iter()
        .enumerate()
    {
        needs_primary(&db, text).await;
        let next = number(&db, text).await;
        assert_eq!(next, i64::try_from(served).unwrap() + 1, "{text} ran once");
    }
}

#[tokio::test]
async fn a_function_that_shadows_a_built_in_is_not_taken_for_it() {
    let place = SLOT.shared("catalog_shadow").await;
    place.others(
        "CREATE TABLE noted (what text);
         CREATE SCHEMA app;
         CREATE FUNCTION app.lower(what text) RETURNS text VOLATILE LANGUAGE sql \
           AS 'INSERT INTO public.noted VALUES (what) RETURNING upper(what)'",
    );
    let mut options = sea_orm::ConnectOptions::new(place.primary_url());
    options.map_sqlx_postgres_opts(|options| {
        options.options([("search_path", "app,public,pg_catalog")])
    });
    let db = place_with(&place, options).await;
    needs_primary(&db, "SELECT lower('x')").await;
    let row = db
        .query_one_raw(sql(&db, "SELECT lower('x')"))
        .await
        .unwrap();
    assert_eq!(row.unwrap().try_get_by_index::<String>(0).unwrap(), "X");
    assert_eq!(place.on(place.primary(), "SELECT count(*) FROM noted"), "1");
    is_read(&db, "SELECT upper('x')").await;
}

async fn place_with(
    place: &crate::place::Place,
    options: sea_orm::ConnectOptions,
) -> RoutedConnection {
    RoutedConnection::builder()
        .connect_options(options)
        .replicas(place.replica_urls())
        .consistency(sealane::Consistency::Eventual)
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn an_operator_is_what_its_function_is() {
    let place = SLOT.shared("catalog_operator").await;
    place.others(
        "CREATE TABLE noted (what int);
         CREATE FUNCTION note(a int, b int) RETURNS int VOLATILE LANGUAGE sql \
           AS 'INSERT INTO noted VALUES (a + b) RETURNING what';
         CREATE OPERATOR <-> (LEFTARG = int, RIGHTARG = int, FUNCTION = note);
         CREATE FUNCTION sum_of(a int, b int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a + b';
         CREATE OPERATOR <#> (LEFTARG = int, RIGHTARG = int, FUNCTION = sum_of)",
    );
    let db = place.builder().connect().await.unwrap();
    needs_primary(&db, "SELECT 1 <-> 2").await;
    assert_eq!(db.explain("SELECT 1 <-> 2").part, "operator <->");
    needs_primary(&db, "SELECT 1 OPERATOR(public.<->) 2").await;
    db.query_one_raw(sql(&db, "SELECT 1 <-> 2")).await.unwrap();
    assert_eq!(place.on(place.primary(), "SELECT what FROM noted"), "3");
    is_read(&db, "SELECT 1 <#> 2").await;
    is_read(&db, "SELECT 1 + 2").await;
}

#[tokio::test]
async fn the_lists_of_functions_allow_and_forbid_and_forbidding_wins() {
    let place = SLOT.shared("catalog_lists").await;
    place.others(
        "CREATE FUNCTION random_pick() RETURNS float8 VOLATILE LANGUAGE sql AS 'SELECT random()';
         CREATE FUNCTION one() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'",
    );
    let db = place.builder().connect().await.unwrap();
    needs_primary(&db, "SELECT random_pick()").await;
    is_read(&db, "SELECT one(), lower('x')").await;

    // The same names as variables.
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let config = sealane::Config::from_vars([
        pair("DATABASE_URL", &place.primary_url()),
        pair("DATABASE_REPLICA_URLS", &place.replica_urls().join(",")),
        pair("SEALANE_READ_FUNCTIONS", "random_pick, one"),
        pair("SEALANE_PRIMARY_FUNCTIONS", "one, lower"),
        pair("SEALANE_CONSISTENCY", "eventual"),
    ])
    .unwrap();
    let db = RoutedConnection::connect(config).await.unwrap();
    is_read(&db, "SELECT random_pick()").await;
    is_read(&db, "SELECT upper('x')").await;
    needs_primary(&db, "SELECT lower('x')").await;
    needs_primary(&db, "SELECT one()").await;
}

#[tokio::test]
async fn until_the_catalog_was_read_only_the_primary_is_trusted_with_the_users_objects() {
    let place = SLOT.shared("catalog_awaited").await;
    place.others("CREATE TABLE plain (id int)");
    // Adopted connections are asked in the background, so the first statements come too early.
    let (heard, _guard) = Heard::listen();
    let open = |url: String| sea_orm::Database::connect(url);
    let primary = open(place.primary_url()).await.unwrap();
    let standby = open(place.url(place.standby(0))).await.unwrap();
    // What is not known counts as a write, and how far such a replica is nobody can tell.
    let db = RoutedConnection::from_connections(primary, [standby])
        .with_consistency(Consistency::Eventual);
    assert_eq!(db.explain("SELECT id FROM plain").role, Some(Role::Primary));
    assert_eq!(db.explain("SELECT 1").role, Some(Role::Replica));
    db.query_all_raw(sql(&db, "SELECT id FROM plain"))
        .await
        .unwrap();
    assert_eq!(heard.decisions()[0].role, "primary");
    until("the catalog", async || {
        db.explain("SELECT id FROM plain").role == Some(Role::Replica)
    })
    .await;
    is_read(&db, "SELECT id FROM plain").await;
}
