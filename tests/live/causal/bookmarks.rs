//! A session's position as a text, out and in (rules C10, C11, C12).

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Bookmark, Error, OnStale, Reason};

use super::{COUNT, SLOT, connect, connect_with, insert, reason, until_on_a_replica};
use crate::{
    fixture::{number, sql},
    heard::counter,
};

#[tokio::test]
async fn whoever_reads_with_a_bookmark_sees_what_it_stands_for() {
    let place = SLOT.alone("bookmark_sees").await;
    let db = connect(&place).await;
    for n in 1..=20 {
        let frozen = place.freeze_replay();
        let writer = db.session();
        insert(&writer, n).await;
        let text = writer.bookmark().await.unwrap().to_string();
        assert!(text.len() <= 128);
        let bookmark: Bookmark = text.parse().unwrap();
        let reader = db.session_from(&bookmark);
        assert_eq!(number(&reader, COUNT).await, n);
        assert_eq!(reason(&reader), Reason::NotCaughtUp);
        let late = db.empty_session();
        assert_eq!(reason(&late), Reason::Replica);
        late.observe(&bookmark).unwrap();
        assert_eq!(number(&late, COUNT).await, n);
        // It is passed on.
        let passed = late.bookmark().await.unwrap();
        assert_eq!(number(&db.session_from(&passed), COUNT).await, n);
        drop(frozen);
        until_on_a_replica(&reader, n).await;
    }
    let nothing = db.empty_session().bookmark().await.unwrap();
    assert!(nothing.is_empty());
    assert_eq!(nothing.to_string().parse(), Ok(nothing.clone()));
    assert_eq!(reason(&db.session_from(&nothing)), Reason::Replica);
}

/// A position with one of its parts changed.
pub fn changed(bookmark: Bookmark, part: usize, change: impl Fn(u64) -> u64) -> Bookmark {
    let text = bookmark.to_string();
    let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let number = u64::from_str_radix(&parts[part], 16).unwrap();
    parts[part] = format!("{:x}", change(number));
    parts.join(".").parse().unwrap()
}

#[tokio::test]
async fn a_bookmark_that_nobody_wrote_is_ignored_and_slows_nobody() {
    let place = SLOT.alone("bookmark_false").await;
    let db = connect(&place).await;
    insert(&db, 1).await;
    let bookmark = db.bookmark().await.unwrap();
    until_on_a_replica(&db, 1).await;
    let before = counter(&db, "sealane_false_bookmarks_total").await;
    let beyond = db.session_from(&changed(bookmark, 3, |lsn| lsn + (1 << 40)));
    assert_eq!(number(&beyond, COUNT).await, 1);
    until_on_a_replica(&beyond, 1).await;
    let after = counter(&db, "sealane_false_bookmarks_total").await;
    assert_eq!(after, before + 1);
    until_on_a_replica(&db, 1).await;
}

#[tokio::test]
async fn a_bookmark_of_another_cluster_is_refused() {
    let place = SLOT.alone("bookmark_foreign").await;
    let db = connect(&place).await;
    insert(&db, 1).await;
    let bookmark = db.bookmark().await.unwrap();
    let foreign = changed(bookmark, 1, |cluster| cluster ^ 1);
    assert!(matches!(db.observe(&foreign), Err(Error::OtherCluster)));
    let session = db.session_from(&foreign);
    let err = session.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    assert!(
        matches!(Error::from_db_err(&err), Some(Error::OtherCluster)),
        "{err}"
    );
    // Its writes do not depend on it.
    insert(&session, 2).await;
}

#[tokio::test]
async fn a_bookmark_of_a_primaryship_that_is_nowhere_is_dropped_when_all_nodes_say_so() {
    let place = SLOT.alone("bookmark_newer").await;
    // All nodes are asked within it, also on a loaded machine.
    let db = connect_with(&place, |builder| builder.stale_wait(NEVER)).await;
    insert(&db, 1).await;
    let newer = changed(db.bookmark().await.unwrap(), 2, |timeline| timeline + 7);
    let before = counter(&db, "sealane_lost_bookmarks_total").await;
    let session = db.session_from(&newer);
    assert_eq!(number(&session, COUNT).await, 1);
    assert_eq!(
        counter(&db, "sealane_lost_bookmarks_total").await,
        before + 1
    );
    until_on_a_replica(&session, 1).await;
}

/// Longer than anything here takes; what waits for it in vain fails the test.
const NEVER: Duration = Duration::from_secs(60);

/// C11: nobody waits for a node that is down, and what is not known does not make a read fail.
#[tokio::test]
async fn a_bookmark_of_a_primaryship_that_may_be_somewhere_is_waited_for_once_and_goes_to_the_primary()
 {
    let place = SLOT.alone("bookmark_unseen").await;
    let wait = Duration::from_millis(300);
    let db = connect_with(&place, |builder| {
        builder.route_timeout(NEVER).stale_wait(wait)
    })
    .await;
    insert(&db, 1).await;
    let newer = changed(db.bookmark().await.unwrap(), 2, |timeline| timeline + 7);
    until_on_a_replica(&db, 1).await;
    place.standby(0).freeze();
    let session = db.session_from(&newer);
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(number(&session, COUNT).await, 1);
        assert_eq!(reason(&session), Reason::NotCaughtUp);
    }
    assert!(begun.elapsed() < 100 * wait, "each read waited");
    let strict = session.with_on_stale(OnStale::Error);
    let err = strict.query_one_raw(sql(&db, COUNT)).await.unwrap_err();
    let ours = Error::from_db_err(&err).unwrap_or_else(|| panic!("{err}"));
    assert!(matches!(ours, Error::EpochNotSeen { .. }), "{err}");
    assert!(ours.is_retriable());
    assert_eq!(reason(&db), Reason::Replica, "others are not held up");
    place.standby(0).thaw();
    until_on_a_replica(&session, 1).await;
}
