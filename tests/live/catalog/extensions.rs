//! What an extension, or an operator of the user's, costs: the texts that can reach it, and no other (rule I5).

use sealane::{Intent, Reason, RoutedConnection};

use super::{SLOT, is_read, needs_primary};
use crate::place::{Place, until};

/// Reads of a table without any type of the user's.
const PLAIN: [&str; 16] = [
    "SELECT id, name FROM item ORDER BY id",
    "SELECT id FROM item WHERE id <> 1",
    "SELECT id FROM item WHERE id IN (1, 2)",
    "SELECT DISTINCT name FROM item",
    "SELECT name FROM item WHERE name LIKE 'a%' OR name NOT ILIKE 'b%'",
    "SELECT count(*) FROM item WHERE id = 1 AND name = 'a'",
    "SELECT id FROM item WHERE id BETWEEN 1 AND 2",
    "SELECT name, count(*) FROM item GROUP BY name ORDER BY count(*) DESC",
    "SELECT id FROM item WHERE id = ANY(ARRAY[1, 2])",
    "SELECT id FROM item WHERE tags @> '{a}'",
    "SELECT id FROM item WHERE tags && ARRAY['a']",
    "SELECT id FROM item WHERE extra @> '{}'::jsonb",
    "SELECT id FROM item UNION SELECT id + 1 FROM item",
    "SELECT max(name), min(id) FROM item",
    "SELECT rank() OVER (PARTITION BY name ORDER BY id) FROM item",
    "SELECT a.id FROM item a JOIN item b USING (id) WHERE a.name >= 'a'",
];

const TABLE: &str =
    "CREATE TABLE item (id bigint PRIMARY KEY, name text, tags text[], extra jsonb);";

async fn connect(place: &Place, schema: &str) -> RoutedConnection {
    place.others(&format!("{TABLE} {schema}"));
    let db = place.builder().connect().await.unwrap();
    until("a replica", async || {
        db.explain("SELECT 1").reason == Reason::Replica
    })
    .await;
    db
}

#[tokio::test]
async fn with_postgis_a_table_without_its_types_loses_no_read() {
    let place = SLOT.shared("extension_postgis").await;
    let schema =
        "CREATE EXTENSION postgis; CREATE TABLE place (id bigint, at geometry(Point, 4326))";
    assert!(
        place
            .primary()
            .sql("SELECT name FROM pg_available_extensions WHERE name = 'postgis'")
            .unwrap()
            .contains("postgis"),
        "PostGIS is missing; install it by: apt-get install -y --no-install-recommends postgresql-postgis"
    );
    let db = connect(&place, schema).await;
    for text in PLAIN {
        is_read(&db, text).await;
    }
    for text in [
        "SELECT id FROM place WHERE at && ST_MakeEnvelope(0, 0, 1, 1, 4326)",
        "SELECT id, ST_AsText(at) FROM place ORDER BY at <-> 'SRID=4326;POINT(0 0)'::geometry LIMIT 3",
        "SELECT DISTINCT at FROM place",
        "SELECT ST_X(at), ST_Distance(at::geography, at::geography) FROM place ORDER BY at",
    ] {
        is_read(&db, text).await;
    }
    needs_primary(&db, "SELECT UpdateGeometrySRID('place', 'at', 4326)").await;
}

/// A type whose order takes a lock, as an extension might bring it; of no use, but for what it shows.
const NOISY: &str = "
    CREATE TYPE noisy AS (n int);
    CREATE FUNCTION noisy_lt(a noisy, b noisy) RETURNS boolean VOLATILE LANGUAGE sql
        AS 'SELECT pg_try_advisory_lock(77) AND a.n < b.n';
    CREATE FUNCTION noisy_eq(a noisy, b noisy) RETURNS boolean VOLATILE LANGUAGE sql
        AS 'SELECT pg_try_advisory_lock(77) AND a.n = b.n';
    CREATE FUNCTION noisy_cmp(a noisy, b noisy) RETURNS int VOLATILE LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_try_advisory_lock(77); RETURN a.n - b.n; END';
    CREATE OPERATOR < (LEFTARG = noisy, RIGHTARG = noisy, FUNCTION = noisy_lt);
    CREATE OPERATOR = (LEFTARG = noisy, RIGHTARG = noisy, FUNCTION = noisy_eq);
    CREATE OPERATOR && (LEFTARG = noisy, RIGHTARG = noisy, FUNCTION = noisy_eq);
    CREATE OPERATOR CLASS noisy_ops DEFAULT FOR TYPE noisy USING btree AS
        OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 noisy_cmp(noisy, noisy);
    CREATE DOMAIN quiet AS noisy;
    CREATE TYPE box_of AS (what noisy);
    CREATE TABLE loud (id bigint, v noisy, many noisy[], q quiet, b box_of);
    CREATE VIEW shown AS SELECT id, v FROM loud;
    CREATE FUNCTION make(n int) RETURNS noisy IMMUTABLE LANGUAGE sql AS 'SELECT ROW(n)::noisy';
    CREATE VIEW sorted AS SELECT id, v FROM loud ORDER BY v;
    CREATE VIEW made AS SELECT 1 AS n FROM (SELECT make(2) AS v UNION SELECT make(1)) x;
    CREATE FUNCTION smaller(a noisy, b noisy) RETURNS boolean STABLE LANGUAGE sql AS 'SELECT a < b'";

#[tokio::test]
async fn a_harmful_operator_of_a_type_keeps_only_texts_with_that_type_from_the_replicas() {
    let place = SLOT.shared("extension_noisy").await;
    let db = connect(&place, NOISY).await;
    for text in PLAIN {
        is_read(&db, text).await;
    }
    for text in [
        "SELECT id FROM loud ORDER BY v",
        "SELECT id FROM loud ORDER BY many",
        "SELECT id FROM loud ORDER BY q",
        "SELECT id FROM loud ORDER BY b",
        "SELECT DISTINCT l FROM loud l",
        "SELECT v FROM shown GROUP BY v",
        "SELECT v FROM loud UNION SELECT v FROM loud",
        "SELECT id FROM loud WHERE v IN (SELECT v FROM loud)",
        "SELECT id FROM loud WHERE v < '(1)'",
        "SELECT id FROM loud WHERE '(1)' < v",
        "SELECT '(1)'::noisy < '(2)'",
        "SELECT CAST('(1)' AS public.noisy) = '(2)'",
        "SELECT ROW(1)::noisy < ROW(2)::noisy",
        "SELECT '{(1)}'::noisy[] < '{(2)}'",
        "SELECT make(1) < make(2)",
        "SELECT make(id::int) FROM item ORDER BY 1",
        "SELECT smaller(make(1), make(2))",
        "SELECT '(1)' && '(2)'",
        "SELECT NULL && '(2)'",
        "SELECT max(x) FROM (SELECT v AS x FROM loud) s WHERE x = x",
        "SELECT x FROM json_to_record('{}') AS t(x noisy) ORDER BY x",
        "WITH l AS (SELECT v FROM loud) SELECT 1 FROM l ORDER BY v USING <",
        "SELECT id FROM loud WHERE v OPERATOR(public.<) v",
        "SELECT nullif(v, v) FROM loud",
        "SELECT max(many) FROM loud",
        "SELECT array_position(many, v) FROM loud",
        "SELECT id FROM loud WHERE many @> many",
        "SELECT greatest(v, v) FROM loud",
        "SELECT v FROM sorted",
        "SELECT id FROM sorted",
        "SELECT n FROM made",
    ] {
        assert_ne!(db.explain(text).intent, Intent::Read, "{text}");
    }
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 77";
    assert_eq!(place.on(place.standby(0), held), "0");
}

/// What the server decides by itself stays with the strict side.
#[tokio::test]
async fn an_operator_that_everybody_may_come_by_is_judged_by_its_name() {
    let place = SLOT.shared("extension_open").await;
    let db = connect(
        &place,
        "CREATE DOMAIN whole AS int;
         CREATE FUNCTION whole_near(a whole, b whole) RETURNS boolean VOLATILE LANGUAGE sql
             AS 'SELECT pg_try_advisory_lock(78)';
         CREATE OPERATOR <-> (LEFTARG = whole, RIGHTARG = whole, FUNCTION = whole_near);
         CREATE TYPE wrapped AS (t text);
         CREATE FUNCTION wrapped(t text) RETURNS wrapped IMMUTABLE LANGUAGE sql AS 'SELECT ROW(t)::wrapped';
         CREATE CAST (text AS wrapped) WITH FUNCTION wrapped(text) AS IMPLICIT;
         CREATE FUNCTION wrapped_has(a wrapped, b wrapped) RETURNS boolean VOLATILE LANGUAGE sql
             AS 'SELECT pg_try_advisory_lock(78)';
         CREATE OPERATOR #># (LEFTARG = wrapped, RIGHTARG = wrapped, FUNCTION = wrapped_has);
         CREATE TYPE mixed AS (t text);
         CREATE FUNCTION mixed_like(a mixed, b int) RETURNS boolean VOLATILE LANGUAGE sql
             AS 'SELECT pg_try_advisory_lock(78)';
         CREATE OPERATOR ~~ (LEFTARG = mixed, RIGHTARG = int, FUNCTION = mixed_like)",
    )
    .await;
    for text in [
        "SELECT 1 <-> 2",
        "SELECT name #># name FROM item",
        "SELECT '(a)' LIKE 1",
        "SELECT id FROM item WHERE '(a)' ~~ 1",
    ] {
        needs_primary(&db, text).await;
    }
    is_read(&db, PLAIN[0]).await;
}
