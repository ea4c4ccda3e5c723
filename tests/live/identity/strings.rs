//! A session that reads strings in another way than the lexer does.

use sea_orm::ConnectionTrait;
use sealane::{Reason, RoutedConnection};

use crate::{fixture::number, place::Slot};

static SLOT: Slot = Slot::new(1);

/// By the standard the string ends at the quote behind the backslash, and what follows is a call inside a string; with
/// `standard_conforming_strings=off` it is the other way round.
const HIDDEN: &str = r"SELECT count(*) FROM (SELECT '\', pg_advisory_xact_lock(7), '\') AS t";
const PLAIN: &str = "SELECT count(*) FROM (SELECT 1) AS t";

#[tokio::test]
async fn texts_with_a_backslash_are_no_reads_where_a_role_reads_strings_in_its_own_way() {
    let place = SLOT.alone("identity_strings").await;
    let connect = async || {
        let url = place.primary_url().replace("postgres@", "strange@");
        let replica = place.replica_urls()[0].replace("postgres@", "strange@");
        let db = RoutedConnection::builder().primary(url).replica(replica);
        db.connect().await.unwrap()
    };
    place.others(
        "DROP ROLE IF EXISTS strange; CREATE ROLE strange LOGIN; GRANT pg_monitor TO strange",
    );
    let db = connect().await;
    let text = r"SELECT count(*) FROM (SELECT '\') AS t";
    assert_eq!(db.explain(text).reason, Reason::Replica, "as the standard");
    let later = connect().await;
    place.others("ALTER ROLE strange SET standard_conforming_strings = off");
    let db = connect().await;
    for text in [text, HIDDEN] {
        assert_eq!(db.explain(text).reason, Reason::Unparsed, "{text}");
    }
    assert_eq!(db.explain(PLAIN).reason, Reason::Replica);
    assert_eq!(number(&db, PLAIN).await, 1);

    // A connection that was opened after the judgement: the text is judged again before it is sent.
    for node in place.cluster().nodes() {
        node.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'strange'",
        )
        .unwrap();
    }
    let strange = r"SELECT count(*)::bigint FROM (SELECT '\'' AS s) AS t WHERE s <> ''";
    let on = |node: &sealane_harness::Node| node.statements_with("AS s) AS t WHERE").unwrap();
    let before = on(place.standby(0));
    let mut answered = false;
    for _ in 0..20 {
        let stmt = crate::fixture::sql(&later, strange);
        answered |= later.query_one_raw(stmt).await.is_ok();
    }
    assert!(answered);
    assert_eq!(on(place.standby(0)), before, "it ran on the replica");
}
