//! What a probe asks, and with how little of it one makes do.

/// The question, by what it asks of the catalog, and of whoever a standby receives from.
macro_rules! probe {
    ($citus:literal, $subscribes:literal, $timeline:literal, $receives:literal, $receiver:literal) => {
        concat!(
            "SELECT one.in_recovery, \
     (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), \
     pg_catalog.current_setting('default_transaction_isolation'), \
     CASE WHEN one.in_recovery THEN ",
            $timeline,
            " ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))\
     ::pg_catalog.bit(32)::pg_catalog.int8 END, \
     (CASE WHEN one.in_recovery THEN pg_catalog.pg_last_wal_replay_lsn() \
     ELSE pg_catalog.pg_current_wal_insert_lsn() END - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8, \
     ",
            $receives,
            ", \
     pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')), \
     pg_catalog.concat_ws('|', pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()), \
     (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::pg_catalog.int8, \
     CASE pg_catalog.txid_snapshot_xmin(one.seen) WHEN pg_catalog.txid_snapshot_xmax(one.seen) \
     THEN pg_catalog.txid_snapshot_xmax(one.seen) END, \
     pg_catalog.version(), \
     ",
            $citus,
            ", \
     pg_catalog.current_setting('neon.timeline_id', true) IS NOT NULL, \
     pg_catalog.current_setting('alloydb.iam_authentication', true) IS NOT NULL, \
     COALESCE(pg_catalog.current_setting('citus.use_secondary_nodes', true) = 'always', false), \
     ",
            $subscribes,
            " FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery, \
     pg_catalog.txid_current_snapshot() AS seen) AS one",
            $receiver
        )
    };
    ($citus:literal, $subscribes:literal) => {
        probe!(
            $citus,
            $subscribes,
            "receiver.received_tli::pg_catalog.int8",
            "CASE WHEN receiver.pid IS NULL THEN 0 WHEN receiver.receive_start_lsn IS NULL THEN 2 \
             WHEN (pg_catalog.to_jsonb(receiver) ->> 'flushed_lsn')::pg_catalog.pg_lsn > receiver.receive_start_lsn THEN 3 \
             ELSE 1 END",
            " LEFT JOIN pg_catalog.pg_stat_get_wal_receiver() AS receiver ON true"
        )
    };
}

/// Everything in one statement, by the simple protocol, which needs no connection to stay the same (rule I8): role,
/// identity, fitness, epoch, position, whether it receives, and when the server was started.
///
/// The epoch comes from the name of the segment that is written: the control file tells the old one after a promotion
/// until the next checkpoint (rule T2). The number of transactions is there while none that writes is open (rule T11). What
/// comes behind it says which system this is.
pub(super) const PROBE: &str = probe!(
    "EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus')",
    "NOT one.in_recovery AND EXISTS (SELECT FROM pg_catalog.pg_subscription AS subscription \
     JOIN pg_catalog.pg_database AS own ON own.oid = subscription.subdbid \
     WHERE own.datname = pg_catalog.current_database())"
);

/// Where the role may not read these parts of the catalog, which plain PostgreSQL can do without.
pub(super) const PLAIN_PROBE: &str = probe!("false", "false");

/// Where the role may not ask for the receiver either. Nothing in the place of yes or no: nobody can tell.
pub(super) const WITHOUT_RECEIVER: &str = probe!(
    "false",
    "false",
    "NULL::pg_catalog.int8",
    "NULL::pg_catalog.int4",
    ""
);

/// Where the one above is not allowed: without an epoch, roles stay as configured.
pub(super) const LITTLE: &str = "SELECT pg_catalog.pg_is_in_recovery(), \
     (SELECT system_identifier::text FROM pg_catalog.pg_control_system()), \
     pg_catalog.current_setting('default_transaction_isolation'), pg_catalog.version()";

/// What nobody can be forbidden, and every system has, where not even the control file may be read: whose server it is
/// stays unknown.
pub(super) const LEAST: &str = "SELECT pg_catalog.pg_is_in_recovery(), NULL::text, \
     pg_catalog.current_setting('default_transaction_isolation'), pg_catalog.version()";

/// Aurora alone has it, and in no catalog. Where the first question is answered nobody asks this.
pub(super) const AURORA: &str = "SELECT aurora_version()";
