//! What a read-only connection on a read-only server lets pass is caught by what its text needs.

use sea_orm::ConnectionTrait;

use super::stage::Stage;
use crate::fixture::sql;

/// Each does something on the server that runs it, and none is refused by a replica.
const SLIP_THROUGH: [(&str, &str); 8] = [
    ("a lock by name", "SELECT GET_LOCK('slips_{n}', 0)"),
    ("a free lock", "SELECT IS_FREE_LOCK('slips_{n}')"),
    (
        "a file on the host",
        "SELECT 'slips_{n}' INTO OUTFILE '{file}'",
    ),
    (
        "a share lock",
        "SELECT 'slips_{n}' FROM note LOCK IN SHARE MODE",
    ),
    ("a user variable", "SELECT @slips_{n} := 1"),
    ("another one", "SELECT 'slips_{n}' INTO @slips_{n}"),
    (
        "a temporary table",
        "CREATE TEMPORARY TABLE slips_{n} (id int)",
    ),
    ("the last id", "SELECT LAST_INSERT_ID(77) AS slips_{n}"),
];

#[tokio::test]
async fn what_the_fence_does_not_stop_runs_on_the_primary_only() {
    let stage = Stage::new("intent_slips").await;
    let db = stage.eventual().await;
    for (n, (what, text)) in SLIP_THROUGH.iter().enumerate() {
        let file = format!("intent_slips_{n}.txt");
        let text = text.replace("{n}", &n.to_string()).replace("{file}", &file);
        db.execute_raw(sql(&db, &text)).await.unwrap();
        db.query_all_raw(sql(&db, &text)).await.ok();
        let sent = stage.sent(&format!("slips_{n}"));
        assert!(sent[0] >= 1, "{what}: {sent:?}");
        assert_eq!(sent[1..], [0, 0], "{what}");
        // Asked to run on a replica, it is refused before it is sent.
        let refused = db.replica().query_all_raw(sql(&db, &text)).await;
        assert!(refused.is_err(), "{what}");
        assert_eq!(stage.sent(&format!("slips_{n}"))[1..], [0, 0], "{what}");
    }
}
