//! One of two servers behind the address is further behind than `SEALANE_MAX_LAG` (rules T11, C6): reads go on on the other one
//! under the same name, and nothing is read on that one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sea_orm::{AccessMode, ConnectionTrait, Database, TransactionTrait};
use sealane::RoutedConnection;
use sealane_harness::{HaProxy, Node};

use super::{READ, SLOT, reads, share};
use crate::{
    fixture::number,
    place::{Place, until},
};

const ROUNDS: usize = 100;

/// What makes a standby late that stands still: somebody else writes all the time.
pub(super) struct Others {
    over: Arc<AtomicBool>,
    writing: tokio::task::JoinHandle<()>,
}

impl Others {
    pub(super) async fn write(place: &Place) -> Self {
        let db = Database::connect(place.primary_url()).await.unwrap();
        let over = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&over);
        let writing = tokio::spawn(async move {
            while !ends.load(Ordering::Acquire) {
                let insert = "INSERT INTO t VALUES (1)";
                db.execute_unprepared(insert).await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { over, writing }
    }

    pub(super) async fn end(&mut self) {
        self.over.store(true, Ordering::Release);
        (&mut self.writing).await.unwrap();
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.writing.abort();
    }
}

async fn connect(place: &Place, proxy: &HaProxy) -> RoutedConnection {
    let url = place.primary_url();
    let database = url.rsplit('/').next().unwrap_or_default();
    RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(place.standby(0).url_at(proxy.addr(), database))
        .check_interval(Duration::from_millis(100))
        .max_lag(Duration::from_secs(1))
        .connect()
        .await
        .unwrap()
}

pub(super) fn on(node: &Node) -> u64 {
    node.statements_with("AS endpoint_reads").unwrap()
}

/// So many at a time that connections have to be opened for them, which the balancer deals in turn. Those that are there may all
/// lead to one server, where health checks open theirs in between.
pub(super) async fn read_at_once(db: &RoutedConnection, count: usize) {
    let slow = "SELECT count(*) AS endpoint_reads FROM t, pg_sleep(0.05)";
    let reads = (0..count).map(|_| number(db, slow));
    futures_util::future::join_all(reads).await;
}

/// Several at a time.
async fn read(db: &RoutedConnection) {
    let reads = (0..4).map(|_| number(db, READ));
    futures_util::future::join_all(reads).await;
}

async fn read_in_a_transaction(db: &RoutedConnection) {
    let txn = db.begin_with_config(None, Some(AccessMode::ReadOnly)).await;
    let txn = txn.unwrap();
    number(&txn, READ).await;
    txn.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_too_far_behind_serves_nothing_and_leaves_the_reads_to_the_other_one() {
    let place = SLOT.alone("endpoint_lag").await;
    place.others("CREATE TABLE t (n bigint)");
    place.caught_up();
    let (keeps_up, lags) = (place.standby(0).clone(), place.standby(1).clone());
    let proxy = HaProxy::over(&[keeps_up.addr(), lags.addr()]).unwrap();
    let db = connect(&place, &proxy).await;
    let mut others = Others::write(&place).await;
    until("reads on both", async || {
        read_at_once(&db, 6).await;
        on(&keeps_up) > 0 && on(&lags) > 0
    })
    .await;
    lags.pause_replay().unwrap();
    // From the first such round on: what it lacks then it lacks for good.
    until("a second without a read on the one that lags", async || {
        let before = on(&lags);
        for _ in 0..20 {
            read(&db).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        on(&lags) == before
    })
    .await;
    let (before, lagging) = (reads(&place), on(&lags));
    for _ in 0..ROUNDS {
        read(&db).await;
        read_in_a_transaction(&db).await;
        number(&db.replica(), READ).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(on(&lags), lagging, "reads on the one that lags");
    let off = share(&place, before);
    println!("{off} % off the primary with one of two too far behind");
    assert!(off >= 80, "{off} %");

    // Where all of them are, the name is out of use.
    keeps_up.pause_replay().unwrap();
    until("reads on the primary alone", async || {
        let before = reads(&place).0;
        for _ in 0..20 {
            read(&db).await;
        }
        reads(&place).0 == before
    })
    .await;
    for node in [&keeps_up, &lags] {
        node.resume_replay().unwrap();
    }
    // More than those that are connected to the one that kept up: a connection stays where it leads.
    until("reads on both again", async || {
        read_at_once(&db, 12).await;
        on(&lags) > lagging
    })
    .await;
    others.end().await;
}
