//! One address for all readers: a real HAProxy before two standbys, one of them far behind (rule C6).

mod back;
mod crash;

mod lag;
mod no_primary;
mod replicas;
mod share;
mod switch_over;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use sea_orm::ConnectionTrait;
use sealane::RoutedConnection;
use sealane_harness::HaProxy;

use crate::{
    fixture::number,
    place::{Place, Slot},
};

static SLOT: Slot = Slot::new(2);

const CLIENTS: usize = 4;
const ROUNDS: usize = 150;
const READS: u64 = (CLIENTS * ROUNDS) as u64;
const QUESTION: &str = "SELECT one.in_recovery, (SELECT system_identifier FROM";
const READ: &str = "SELECT count(*) AS endpoint_reads FROM t";

async fn connect(place: &Place, proxy: &HaProxy) -> RoutedConnection {
    let url = place.primary_url();
    let database = url.rsplit('/').next().unwrap_or_default();
    RoutedConnection::builder()
        .primary(place.primary_url())
        .replica(place.standby(0).url_at(proxy.addr(), database))
        // One server is as far behind as the test is old; what is shown here holds without a limit.
        .max_lag(None)
        .connect()
        .await
        .unwrap()
}

/// Who has to see a write.
#[derive(Clone, Copy, Debug)]
enum Sees {
    /// The whole process, which is the default.
    All,
    /// The client that wrote, as a session each.
    Own,
}

/// One write to nine reads, each of which sees what was written before it began.
async fn mix(db: &RoutedConnection, sees: Sees, written: &Arc<AtomicI64>) {
    let clients = (0..CLIENTS).map(|_| {
        let (db, written) = match sees {
            Sees::All => (db.clone(), Arc::clone(written)),
            Sees::Own => (db.session(), Arc::default()),
        };
        tokio::spawn(async move {
            for n in 0..ROUNDS {
                if n % 10 == 0 {
                    let insert = "INSERT INTO t VALUES (1)";
                    db.execute_unprepared(insert).await.unwrap();
                    written.fetch_add(1, Ordering::AcqRel);
                }
                let least = written.load(Ordering::Acquire);
                let seen = number(&db, READ).await;
                assert_eq!(seen.min(least), least, "rows are missing");
                // An application does something with its rows.
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

/// How many reads ran so far: on standbys, and on the primary.
fn reads(place: &Place) -> (u64, u64) {
    let of = |node: &sealane_harness::Node| node.statements_with("AS endpoint_reads").unwrap();
    let off = place.cluster().standbys().iter().map(of).sum();
    (off, of(place.primary()))
}

/// How often connections were asked so far whose server it is and how far that has come: once as they are opened, and
/// before reads.
fn questions(place: &Place) -> u64 {
    let of = |node: &sealane_harness::Node| node.statements_with(QUESTION).unwrap();
    place.cluster().standbys().iter().map(of).sum()
}

/// How many of a hundred reads since then the primary did not serve.
fn share(place: &Place, before: (u64, u64)) -> u64 {
    let (off, on) = reads(place);
    let (off, on) = (off - before.0, on - before.1);
    off * 100 / (off + on).max(1)
}

/// One mix, with so many servers behind, and how often connections were asked in it.
async fn phase(
    place: &Place,
    db: &RoutedConnection,
    sees: Sees,
    behind: &str,
    written: &Arc<AtomicI64>,
) -> u64 {
    let (before, asked) = (reads(place), questions(place));
    mix(db, sees, written).await;
    let (off, asked) = (share(place, before), questions(place) - asked);
    println!(
        "{off} % off the primary and {asked} questions for {READS} reads where {sees:?} writes are seen and {behind} of two lags"
    );
    // One server that is far behind keeps no read from the other one for good.
    assert!(off > 0, "whoever writes read on the primary alone");
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_stale_while_servers_behind_the_address_lag_come_and_go() {
    let place = SLOT.alone("reader_endpoint").await;
    place.others("CREATE TABLE t (n bigint)");
    let addr = |at: usize| place.standby(at).addr();
    let mut proxy = HaProxy::over(&[addr(0), addr(1)]).unwrap();
    let db = connect(&place, &proxy).await;
    let written = Arc::new(AtomicI64::new(0));
    // Connections to both are known to be far enough, and one of them is not any more while they are used.
    let lags = place.standby(1).clone();
    let pausing = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(400));
        lags.pause_replay().unwrap();
    });
    phase(&place, &db, Sees::All, "from then on one", &written).await;
    pausing.await.unwrap();
    // Connections to the server that lags are parted with once it has lagged for a second.
    phase(&place, &db, Sees::All, "one, just now,", &written).await;
    for sees in [Sees::All, Sees::Own] {
        let asked = phase(&place, &db, sees, "one", &written).await;
        // What one connection says counts for all to its server.
        assert!(asked < READS / 2, "{asked} questions");
    }
    // One after the other alone, and both again: what was connected is cut each time.
    for servers in [vec![addr(1)], vec![addr(0)], vec![addr(1), addr(0)]] {
        proxy.point_at(&servers).unwrap();
        mix(&db, Sees::All, &written).await;
    }
    place.standby(1).resume_replay().unwrap();
}
