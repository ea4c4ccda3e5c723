//! A standby behind the readers' name has become the primary and stays behind that name, and the writer's name moves to it.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use sealane::{Role, RoutedConnection};
use sealane_harness::{HaProxy, Stop};

use crate::{
    fixture::number,
    heard::Heard,
    place::{own_cluster, until},
};

fn is_primary(db: &RoutedConnection, name: &str) -> bool {
    let nodes = db.cluster().topology().nodes;
    nodes
        .iter()
        .any(|node| node.name == name && node.role == Role::Primary)
}

/// T4: of two names of one server the one that leads to others as well is no name for a primary.
#[tokio::test]
async fn the_writers_name_takes_the_writes_from_a_name_that_leads_to_standbys_too() {
    let cluster = own_cluster(2);
    let (old, new, other) = (cluster.primary(), cluster.standby(0), cluster.standby(1));
    let mut writer = HaProxy::over(&[old.addr()]).unwrap();
    let readers = HaProxy::over(&[new.addr(), other.addr()]).unwrap();
    old.stop(Stop::Fast).unwrap();
    new.promote().unwrap();
    other.repoint(new).unwrap();

    let (heard, _listening) = Heard::listen();
    let connect = async || {
        let db = RoutedConnection::builder()
            .primary(format!(
                "{}?name=writer",
                old.url_at(writer.addr(), "postgres")
            ))
            .replica(format!(
                "{}?name=readers",
                new.url_at(readers.addr(), "postgres")
            ))
            .start_without_primary(true)
            .connect_timeout(Duration::from_secs(1))
            // No health check comes in time: what a connection meets has to tell it.
            .check_interval(Duration::from_secs(60))
            .max_lag(None);
        db.connect().await.unwrap()
    };
    // Which of the two a health check meets is the balancer's choice.
    let mut db = connect().await;
    until("the readers' name to be the primary", async || {
        if !is_primary(&db, "readers") {
            db = connect().await;
        }
        is_primary(&db, "readers")
    })
    .await;

    writer.point_at(&[new.addr()]).unwrap();
    let insert = "INSERT INTO t SELECT 1 FROM pg_sleep(0.05)";
    until("the writer's name to be the primary", async || {
        let written = join_all((0..6).map(|_| db.execute_unprepared(insert))).await;
        // What is on its way is where it belongs, by either name.
        for one in written {
            one.unwrap();
        }
        is_primary(&db, "writer")
    })
    .await;
    let why = "leads to the primary, and to standbys too";
    let warnings = heard.warnings();
    assert!(
        warnings.iter().any(|line| line.contains(why)),
        "{warnings:?}"
    );
    let before = number(&db.primary(), "SELECT count(*) FROM t").await;
    for n in 1..20 {
        db.execute_unprepared("INSERT INTO t VALUES (1)")
            .await
            .unwrap();
        assert_eq!(number(&db, "SELECT count(*) FROM t").await, before + n);
    }
}
