//! What the application's word does that something has changed (rule R8, `ClusterSignal::Refresh`).

use sealane::{ClusterSignal, Ineligible, RoutedConnection};
use sealane_harness::Forwarder;

use super::{
    MS, cluster,
    fenced::{named, through, until_checked},
    status, until_used,
};
use crate::place::until;

const LONG: std::time::Duration = std::time::Duration::from_mins(5);

#[tokio::test]
async fn a_node_that_is_back_is_asked_where_the_application_says_that_something_has_changed() {
    let cluster = cluster();
    let (primary, replica) = (cluster.primary(), cluster.standby(0));
    let way = Forwarder::to(replica.addr()).unwrap();
    let db = RoutedConnection::builder()
        .primary(named(primary))
        .replica(through(&way, replica))
        .check_interval(50 * MS)
        .eject_first(LONG)
        .eject_max(LONG)
        .connect()
        .await
        .unwrap();
    until_used(&db, replica).await;
    way.cut();
    until("its ejection", async || {
        status(&db, replica).ineligible == Some(Ineligible::Ejected)
    })
    .await;
    way.heal();
    let before = way.accepted();
    until_checked(primary, 20).await;
    assert_eq!(way.accepted(), before, "asked although nobody said so");
    db.cluster().signal(ClusterSignal::Refresh).unwrap();
    until_used(&db, replica).await;
}
