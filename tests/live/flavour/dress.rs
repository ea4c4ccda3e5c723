//! What makes a server answer as another system does.

use sealane_harness::{Cluster, Node};

/// What `version()` says of CockroachDB.
pub const COCKROACH: &str =
    "CockroachDB CCL v25.2.1 (x86_64-pc-linux-gnu, built 2025/06/12 17:02:38, go1.23.7)";

/// What it says of YugabyteDB.
pub const YUGABYTE: &str = "PostgreSQL 15.12-YB-2025.1.0.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit";

/// Servers that know nothing of each other, as nodes of one system look that do not show it. YugabyteDB's have
/// identifiers of their own and all functions of the log; CockroachDB's have neither.
pub fn nodes(count: usize, version: &str) -> Vec<Cluster> {
    let start = || {
        let cluster = Cluster::builder().own_identity().start().unwrap();
        dress(cluster.primary(), version);
        cluster
    };
    (0..count).map(|_| start()).collect()
}

/// Lets a server say that it is this, in its only database, and gives it a table.
pub fn dress(node: &Node, version: &str) {
    let mut sql = format!(
        "SET allow_system_table_mods = on; CREATE TABLE note (id bigint PRIMARY KEY); \
         CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE \
         AS $$ SELECT '{version}' $$;"
    );
    if version == COCKROACH {
        for function in [
            "pg_control_system()",
            "pg_current_wal_insert_lsn()",
            "pg_last_wal_replay_lsn()",
            "pg_walfile_name(pg_lsn)",
            "txid_current_snapshot()",
        ] {
            let name = function.split('(').next().unwrap_or_default();
            sql += &format!("ALTER FUNCTION pg_catalog.{function} RENAME TO hidden_{name};");
        }
        sql += "ALTER VIEW pg_catalog.pg_stat_wal_receiver RENAME TO hidden_receiver;";
    }
    node.sql(&sql).unwrap();
}
