//! Replicas that are meant for something, on real servers: preferred, and never waited for (R10).

use sealane::{Builder, Consistency, RoutedConnection};

use crate::{
    fixture::number,
    heard::Heard,
    place::{Place, Slot, until},
};

static SLOT: Slot = Slot::new(2);

const COUNT: &str = "SELECT count(*) FROM note";

fn builder(place: &Place) -> Builder {
    let [one, two] = [0, 1].map(|index| place.url(place.standby(index)));
    RoutedConnection::builder()
        .primary(format!("{}?name=primary", place.primary_url()))
        .replicas([
            format!("{one}?name=one&zone=near"),
            format!("{two}?name=two&tags=reports,search"),
        ])
}

/// The nodes that took so many reads of this handle.
async fn takers(db: &RoutedConnection, heard: &Heard) -> Vec<String> {
    heard.decisions();
    for _ in 0..12 {
        number(db, COUNT).await;
    }
    let mut names: Vec<String> = heard.decisions().into_iter().map(|one| one.node).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn a_tag_is_preferred_and_the_others_serve_where_nobody_has_it() {
    let place = SLOT.alone("tagged").await;
    place.others("CREATE TABLE note (id bigint PRIMARY KEY)");
    let (heard, _guard) = Heard::listen();
    let db = builder(&place)
        .consistency(Consistency::Eventual)
        .connect()
        .await
        .unwrap();

    let reports = db.tagged("reports");
    assert_eq!(takers(&reports, &heard).await, ["two"]);
    assert_eq!(takers(&db.tagged("search"), &heard).await, ["two"]);
    assert_eq!(takers(&db.in_zone("near"), &heard).await, ["one"]);
    let both = db.in_zone("near").tagged("reports");
    assert_eq!(takers(&both, &heard).await, ["two"]);
    assert_eq!(
        takers(&db.tagged("mail").in_zone("near"), &heard).await,
        ["one"]
    );
    // One that answers much sooner for a while has all of them.
    until("reads on both", async || {
        takers(&db, &heard).await == ["one", "two"]
    })
    .await;
    assert_eq!(reports.explain(COUNT).node.as_deref(), Ok("two"));

    // Shown to those who look.
    let nodes = db.cluster().topology().nodes;
    let two = nodes.iter().find(|node| node.name == "two").unwrap();
    assert_eq!(
        (&two.zone, &two.tags[..]),
        (&None, &["reports".into(), "search".into()][..])
    );
    let one = nodes.iter().find(|node| node.name == "one").unwrap();
    assert_eq!((one.zone.as_deref(), one.tags.len()), (Some("near"), 0));

    // Nobody waits for it.
    db.cluster().drain("two").unwrap();
    until("the others' turn", async || {
        takers(&reports, &heard).await == ["one"]
    })
    .await;
    db.cluster().resume("two").unwrap();
    until("its return", async || {
        takers(&reports, &heard).await == ["two"]
    })
    .await;
    db.close().await.unwrap();
}

/// A read that has to see a write goes to the others, before it goes to the primary.
#[tokio::test]
async fn a_write_is_read_whatever_the_tag() {
    let place = SLOT.alone("tagged_fresh").await;
    place.others("CREATE TABLE note (id bigint PRIMARY KEY)");
    let db = builder(&place).connect().await.unwrap();
    let reports = db.tagged("reports");
    place.standby(1).pause_replay().unwrap();
    for id in 1..=20 {
        use sea_orm::ConnectionTrait;
        let insert = format!("INSERT INTO note VALUES ({id})");
        reports.execute_unprepared(&insert).await.unwrap();
        assert_eq!(number(&reports, COUNT).await, id);
    }
    place.standby(1).resume_replay().unwrap();
    db.close().await.unwrap();
}
