//! Several servers behind one replica name, one of them far behind.

use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use sealane::{Consistency, RoutedConnection};

use crate::{
    balancer::Balancer,
    fixture::number,
    place::{Place, Slot},
};

static SLOT: Slot = Slot::new(2);

const COUNT: &str = "SELECT count(*) FROM t";
const PIN: Duration = Duration::from_millis(200);

async fn connect(place: &Place, first: usize) -> (RoutedConnection, Balancer) {
    let standbys = place.cluster().standbys().iter();
    let balancer = Balancer::over(standbys.map(|node| node.addr()).collect(), first).await;
    let database = place
        .primary_url()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let name = place.standby(0).url_at(balancer.addr, &database);
    let db = RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(name)
        .consistency(Consistency::ReadYourWrites)
        .pin(PIN)
        .min_connections(4)
        .connect()
        .await
        .unwrap();
    (db, balancer)
}

/// Whatever the order of connections: filled before, opened for a statement, the one that asks for positions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_in_front_of_a_standby_that_is_behind_makes_no_read_stale() {
    let place = SLOT.alone("identity_balanced").await;
    place.others("CREATE TABLE t (n bigint)");
    let mut rows = 0;
    place.standby(1).pause_replay().unwrap();
    for start in 0..8 {
        let (db, _balancer) = connect(&place, start).await;
        let begun = Instant::now();
        let mut n = 0;
        // Beyond the pin, too: the lag is longer.
        while n < 15 || begun.elapsed() < 3 * PIN {
            if n % 5 == 0 {
                db.execute_unprepared("INSERT INTO t VALUES (1)")
                    .await
                    .unwrap();
                rows += 1;
            }
            n += 1;
            let readers = (0..4).map(|_| {
                let db = db.clone();
                tokio::spawn(async move { number(&db, COUNT).await })
            });
            for reader in readers.collect::<Vec<_>>() {
                assert_eq!(reader.await.unwrap(), rows, "start {start}, read {n}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Nothing more is written, and what only time protects comes after it.
        tokio::time::sleep(2 * PIN).await;
        for _ in 0..20 {
            assert_eq!(
                number(&db, COUNT).await,
                rows,
                "start {start}, after the pin"
            );
            let options = (None, Some(sea_orm::AccessMode::ReadOnly));
            let txn = sea_orm::TransactionTrait::begin_with_config(&db, options.0, options.1);
            let txn = txn.await.unwrap();
            assert_eq!(number(&txn, COUNT).await, rows, "start {start}, inside");
            txn.commit().await.unwrap();
        }
    }
    place.standby(1).resume_replay().unwrap();
}
