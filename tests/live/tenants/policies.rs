//! Which reads may go to a replica: those whose settings are all set by the handle (rule R11).

use sealane::Reason;

use super::{builder, known, number, place, stmt, word};
use crate::{heard::Heard, place::until};
use sea_orm::ConnectionTrait;

const MORE: &str = "
    CREATE FUNCTION by_sql() RETURNS text STABLE LANGUAGE sql AS 'SELECT current_setting(''app.tenant'', true)';
    CREATE FUNCTION by_plpgsql() RETURNS text STABLE LANGUAGE plpgsql AS
        'BEGIN RETURN current_setting(''app.tenant'', true); END';
    CREATE FUNCTION by_name(name text) RETURNS text STABLE LANGUAGE sql AS 'SELECT current_setting(name, true)';
    CREATE TABLE sql_note AS SELECT * FROM note; CREATE TABLE plpgsql_note AS SELECT * FROM note;
    CREATE TABLE name_note AS SELECT * FROM note; CREATE TABLE two_note AS SELECT * FROM note;
    CREATE TABLE other_note AS SELECT * FROM note;
    ALTER TABLE sql_note ENABLE ROW LEVEL SECURITY; ALTER TABLE plpgsql_note ENABLE ROW LEVEL SECURITY;
    ALTER TABLE name_note ENABLE ROW LEVEL SECURITY; ALTER TABLE two_note ENABLE ROW LEVEL SECURITY;
    ALTER TABLE other_note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON sql_note USING (tenant = by_sql());
    CREATE POLICY own ON plpgsql_note USING (tenant = by_plpgsql());
    CREATE POLICY own ON name_note USING (tenant = by_name('app.tenant'));
    CREATE POLICY own ON two_note USING (tenant = current_setting('app.tenant', true)
        AND text <> current_setting('app.user', true));
    CREATE POLICY own ON other_note USING (tenant = current_setting('app.ten' || 'ant', true));
    CREATE VIEW seen AS SELECT count(*) AS n FROM note WHERE tenant = current_setting('app.tenant');
    CREATE VIEW work AS SELECT count(*) AS n FROM note WHERE text <> current_setting('work_mem');
    GRANT ALL ON ALL TABLES IN SCHEMA public TO tenant_app; GRANT CREATE ON SCHEMA public TO tenant_app";

#[tokio::test]
async fn a_read_of_what_the_handle_sets_goes_to_a_replica_and_no_other_one() {
    let place = place("tenants_policies").await;
    place.others(MORE);
    let (heard, _guard) = Heard::listen();
    let db = builder(&place).connect().await.unwrap();
    let tenant = db.with_local("app.tenant", "b").unwrap();
    known(&tenant, &heard).await;

    let count = |table: &str| format!("SELECT count(*) FROM {table}");
    let near = [
        count("note"),
        count("sql_note"),
        count("plpgsql_note"),
        "SELECT n FROM seen".to_owned(),
        "SELECT count(*) FROM note WHERE tenant = current_setting('app.tenant')".to_owned(),
        "SELECT count(*) FROM note WHERE tenant = pg_catalog.current_setting('App.Tenant', false)"
            .to_owned(),
        "SELECT count(*) FROM note WHERE tenant = by_sql()".to_owned(),
    ];
    for sql in &near {
        assert_eq!(tenant.explain(sql).reason, Reason::Replica, "{sql}");
        heard.decisions();
        assert_eq!(number(&tenant, sql).await.unwrap(), 2, "{sql}");
        assert_eq!(heard.decisions()[0].role, "replica", "{sql}");
        // Without the setting it never does.
        assert_ne!(db.explain(sql).reason, Reason::Replica, "{sql}");
        assert_ne!(
            db.with_local("app.user", "b").unwrap().explain(sql).reason,
            Reason::Replica,
            "{sql}"
        );
    }
    let far = [
        count("name_note"),
        count("two_note"),
        count("other_note"),
        "SELECT n FROM work".to_owned(),
        "SELECT count(*) FROM note WHERE text = current_setting('work_mem')".to_owned(),
        "SELECT count(*) FROM note WHERE text = current_setting('app.user', true)".to_owned(),
        "SELECT count(*) FROM note WHERE text = current_setting('app.ten' 'ant', true)".to_owned(),
        "SELECT count(*) FROM note WHERE text = current_setting(tenant, true)".to_owned(),
        "SELECT count(*) FROM note WHERE text = set_config('app.tenant', 'a', true)".to_owned(),
    ];
    for sql in &far {
        assert_ne!(tenant.explain(sql).reason, Reason::Replica, "{sql}");
    }
    // On the primary they see their tenant as well.
    assert_eq!(number(&tenant, &far[0]).await.unwrap(), 2);
    assert_eq!(number(&tenant, &far[2]).await.unwrap(), 2);

    // Two settings, in whichever order they were set.
    let both = tenant.with_local("app.user", "x").unwrap();
    let other_way = db
        .with_local("app.user", "y")
        .unwrap()
        .with_local("app.tenant", "b")
        .unwrap();
    until("both settings to be known", async || {
        number(&both, &far[1]).await.unwrap();
        both.explain(&far[1]).reason == Reason::Replica
    })
    .await;
    assert_eq!(number(&both, &far[1]).await.unwrap(), 2);
    assert_eq!(other_way.explain(&far[1]).reason, Reason::Replica);
    let user = "SELECT current_setting('app.user') || current_setting('app.tenant')";
    assert_eq!(word(&other_way, user).await.unwrap(), "yb");
    let last = both.with_local("app.tenant", "a").unwrap();
    assert_eq!(word(&last, user).await.unwrap(), "xa");

    // What a handle asks for besides stays.
    assert_eq!(
        number(
            &db.primary().with_local("app.tenant", "a").unwrap(),
            &near[0]
        )
        .await
        .unwrap(),
        1
    );
    let strict = db
        .replica()
        .with_local("app.tenant", "a")
        .unwrap()
        .in_zone("x")
        .session();
    assert_eq!(number(&strict, &near[0]).await.unwrap(), 1);
    strict
        .execute_unprepared("DELETE FROM note")
        .await
        .unwrap_err();
    assert_eq!(number(&db.replica(), "SELECT 1::bigint").await.unwrap(), 1);

    // What changes is known to every judge: DDL of ours has the catalog read again for all of them.
    place.others("ALTER POLICY own ON note USING (tenant = current_setting('work_mem'))");
    db.execute_unprepared("CREATE TABLE fresh (id int)")
        .await
        .unwrap();
    until("the new policy", async || {
        tenant.query_all_raw(stmt(&near[0])).await.unwrap();
        tenant.explain(&near[0]).reason != Reason::Replica
    })
    .await;
    until("the new table", async || {
        number(&tenant, "SELECT count(*) FROM fresh").await.unwrap();
        tenant.explain("SELECT count(*) FROM fresh").reason == Reason::Replica
    })
    .await;
    db.close().await.unwrap();
}
