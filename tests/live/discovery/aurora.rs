//! A PostgreSQL that has what Aurora has: a table of its instances, and none of the functions that tell positions.

use sealane::{Discovery, Role};
use sealane_harness::Node;

use super::{Load, client, insert, servers};

/// The instances as Aurora tells them, each by what stands in the place of its identifier here.
fn tell(on: &Node, writer: &Node, readers: &[&Node]) {
    let row =
        |node: &Node, session: &str| format!("('127.0.0.1:{}', '{session}', now())", node.port());
    let mut rows = vec![row(writer, &["MAS", "TER_SESSION_ID"].concat())];
    rows.extend(readers.iter().map(|node| row(node, "some-session")));
    on.sql(&format!(
        "CREATE OR REPLACE FUNCTION aurora_replica_status() RETURNS TABLE \
         (server_id text, session_id text, last_update_timestamp timestamptz) LANGUAGE sql STABLE AS \
         $$ SELECT * FROM (VALUES {}) AS one $$",
        rows.join(", ")
    ))
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auroras_own_table_tells_the_instances_and_the_writer() {
    let cluster = servers();
    let (first, second, third) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    // Aurora has no positions of this kind.
    first
        .sql("ALTER FUNCTION pg_catalog.pg_current_wal_insert_lsn() RENAME TO hidden")
        .unwrap();
    tell(first, first, &[second]);
    cluster.wait_caught_up().unwrap();
    // The cluster's endpoint leads to any of them.
    let db = client(second.url(), Discovery::Aurora("?".to_owned()))
        .connect()
        .await
        .unwrap();
    let name = |node: &Node| format!("127.0.0.1:{}", node.port());
    let topology = db.cluster().topology();
    let names: Vec<String> = topology
        .nodes
        .iter()
        .map(|node| node.name.clone())
        .collect();
    assert_eq!(names.len(), 2, "{topology}");
    assert!(
        names.contains(&name(first)) && names.contains(&name(second)),
        "{topology}"
    );
    let role = |node: &Node| {
        let topology = db.cluster().topology();
        let wanted = name(node);
        topology
            .nodes
            .iter()
            .find(|known| known.name == wanted)
            .map(|known| known.role)
    };
    crate::place::until("the writer", async || role(first) == Some(Role::Primary)).await;
    insert(&db).await;
    assert_eq!(role(second), Some(Role::Replica));
    let load = Load::on(&db);
    // Another instance appears, and one goes.
    tell(first, first, &[second, third]);
    crate::place::until("the third instance", async || {
        role(third) == Some(Role::Replica)
    })
    .await;
    tell(first, first, &[third]);
    crate::place::until("two instances", async || role(second).is_none()).await;
    load.goes_on().await;
    load.end().await;
}
