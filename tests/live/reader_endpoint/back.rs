//! A server of the name that had lagged and keeps up again, while connections to the other one suffice (rule C6): it gets reads.

use std::time::Duration;

use sealane::RoutedConnection;
use sealane_harness::{HaProxy, Node};

use super::{
    SLOT,
    lag::{Others, on, read_at_once},
};
use crate::place::{Place, until};

/// As many as there may be to the name, and so many reads at a time.
const CONNECTIONS: u32 = 4;
const AT_ONCE: usize = 8;

async fn connect(place: &Place, proxy: &HaProxy) -> RoutedConnection {
    let url = place.primary_url();
    let database = url.rsplit('/').next().unwrap_or_default();
    RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(place.standby(0).url_at(proxy.addr(), database))
        .replica_max_connections(CONNECTIONS)
        .check_interval(Duration::from_millis(100))
        .max_lag(Duration::from_secs(1))
        .connect()
        .await
        .unwrap()
}

/// How many connections there are on which reads ran.
fn connections(node: &Node) -> u32 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS endpoint_reads%' AND pid <> pg_backend_pid()";
    node.sql(sql).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_keeps_up_again_gets_reads_although_no_connection_is_lacking() {
    let place = SLOT.alone("endpoint_back").await;
    place.others("CREATE TABLE t (n bigint)");
    place.caught_up();
    let (keeps_up, lags) = (place.standby(0).clone(), place.standby(1).clone());
    let proxy = HaProxy::over(&[keeps_up.addr(), lags.addr()]).unwrap();
    let db = connect(&place, &proxy).await;
    let mut others = Others::write(&place).await;
    until("reads on both", async || {
        read_at_once(&db, AT_ONCE).await;
        on(&keeps_up) > 0 && on(&lags) > 0
    })
    .await;
    lags.pause_replay().unwrap();
    until("all connections to the one that keeps up", async || {
        read_at_once(&db, AT_ONCE).await;
        connections(&lags) == 0 && connections(&keeps_up) == CONNECTIONS
    })
    .await;
    let before = on(&lags);
    lags.resume_replay().unwrap();
    until("reads on both again", async || {
        read_at_once(&db, AT_ONCE).await;
        on(&lags) > before
    })
    .await;
    others.end().await;
}
