//! A primary and a standby that refuse what Aurora refuses, with its words and codes (T18).

use std::time::Duration;

use sea_orm::ConnectionTrait;
use sealane::{Consistency, Flavour, Role};

use crate::{
    fixture::number,
    heard::Heard,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(1);

const COUNT: &str = "SELECT count(*) FROM note";

/// The log's functions tell nothing unless `wal_level` is `logical`, and the receiver's is not there in any case.
fn dress(place: &Place) {
    let refuse = |function: &str, returns: &str, code: &str, words: &str| {
        format!(
            "ALTER FUNCTION pg_catalog.{function} RENAME TO hidden_{}; \
             CREATE FUNCTION pg_catalog.{function} RETURNS {returns} LANGUAGE plpgsql STABLE PARALLEL SAFE \
             AS $$ BEGIN RAISE EXCEPTION SQLSTATE '{code}' USING MESSAGE = '{words}'; END $$;",
            function.trim_end_matches("()"),
        )
    };
    let sql = [
        "CREATE TABLE note (id bigint PRIMARY KEY);".to_owned(),
        "CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS $$ SELECT '16.6.3' $$;"
            .to_owned(),
        refuse(
            "pg_current_wal_insert_lsn()",
            "pg_lsn",
            "55000",
            "wal_level must be set to logical",
        ),
        refuse(
            "pg_last_wal_replay_lsn()",
            "pg_lsn",
            "0A000",
            "Function pg_last_wal_replay_lsn() is currently not supported for Aurora",
        ),
    ];
    place.others(&sql.concat());
}

#[tokio::test]
async fn aurora_has_roles_and_time_protects_its_reads() {
    let place = SLOT.alone("aurora").await;
    dress(&place);
    let (heard, _guard) = Heard::listen();
    let db = place
        .builder()
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    let topology = db.cluster().topology();
    assert_eq!(topology.flavour, Some(Flavour::Aurora), "{topology}");
    let roles: Vec<Role> = topology.nodes.iter().map(|node| node.role).collect();
    assert_eq!(roles, [Role::Primary, Role::Replica], "{topology}");
    let told = heard.warnings().join("\n");
    assert!(told.contains("Set SEALANE_PIN"), "{told}");

    number(&db, COUNT).await;
    assert_eq!(heard.decisions().pop().unwrap().role, "replica");
    let frozen = place.freeze_replay();
    db.execute_unprepared("INSERT INTO note VALUES (1)")
        .await
        .unwrap();
    for _ in 0..20 {
        assert_eq!(number(&db, COUNT).await, 1);
    }
    drop(frozen);
    db.close().await.unwrap();

    let db = place
        .builder()
        .consistency(Consistency::ReadYourWrites)
        .pin(Duration::from_millis(300))
        .connect()
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO note VALUES (2)")
        .await
        .unwrap();
    heard.decisions();
    assert_eq!(number(&db, COUNT).await, 2);
    assert_eq!(heard.decisions().pop().unwrap().role, "primary");
    until("the pin's end", async || {
        number(&db, COUNT).await;
        heard.decisions().pop().unwrap().role == "replica"
    })
    .await;
    db.close().await.unwrap();
}

/// A PostgreSQL with something beside it is one, and its positions prove what they did. Not those of a Citus that reads
/// from its workers' replicas.
#[tokio::test]
async fn what_is_installed_or_set_tells_citus_neon_and_alloydb() {
    let place = SLOT.alone("beside").await;
    place.others("CREATE TABLE note (id bigint PRIMARY KEY)");
    let extension = "SET allow_system_table_mods = on; INSERT INTO pg_catalog.pg_extension \
         (oid, extname, extowner, extnamespace, extrelocatable, extversion) VALUES (99999, 'citus', 10, 11, false, '12.1')";
    let steps = [
        (extension, Flavour::Citus),
        (
            "ALTER DATABASE beside SET alloydb.iam_authentication = 'off'",
            Flavour::AlloyDb,
        ),
        (
            "ALTER DATABASE beside SET neon.timeline_id = 'a'",
            Flavour::Neon,
        ),
    ];
    for (id, (sql, flavour)) in steps.into_iter().enumerate() {
        place.others(sql);
        let builder = place.builder().consistency(Consistency::ReadYourWrites);
        let db = builder.connect().await.unwrap();
        assert_eq!(db.cluster().topology().flavour, Some(flavour));
        let insert = format!("INSERT INTO note VALUES ({id})");
        db.execute_unprepared(&insert).await.unwrap();
        let (heard, _guard) = Heard::listen();
        until("a read of it on the replica", async || {
            number(&db, COUNT).await;
            heard.decisions().pop().unwrap().role == "replica"
        })
        .await;
        db.close().await.unwrap();
    }
    place.others("ALTER DATABASE beside SET citus.use_secondary_nodes = 'always'");
    let builder = place.builder().consistency(Consistency::ReadYourWrites);
    let db = builder.connect().await.unwrap();
    db.execute_unprepared("INSERT INTO note VALUES (9)")
        .await
        .unwrap();
    place.caught_up();
    let (heard, _guard) = Heard::listen();
    for _ in 0..20 {
        number(&db, COUNT).await;
    }
    assert!(heard.decisions().iter().all(|one| one.role == "primary"));
    db.close().await.unwrap();
}
