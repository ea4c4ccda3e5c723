//! The client's process, as it sees itself: a handle that lives as long as it does, and others that come and go.

use std::{
    io::BufRead,
    path::Path,
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use sealane::{Builder, ClusterSignal, Consistency, Discovery, NodeConfig, RoutedConnection};
use tokio::sync::mpsc;

use super::{
    counts::{Counts, sockets_by_port},
    load::Load,
};

/// What the process needs, from its parent only: the URLs, the service and the file with the password.
pub const CLIENT: &str = "SEALANETEST_CHURN_CLIENT";

/// What an answer's line begins with.
pub const ANSWER: &str = "answer: ";

const MS: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(40);

const NAMES: [&str; 3] = ["one", "two", "three"];

/// How often in a row counts are the same before they are taken for settled.
const ALIKE: usize = 10;

/// How often every node is taken out and let in again before a difference is one that stays.
const RENEWALS: usize = 3;

struct Client {
    urls: Vec<String>,
    service: String,
    password: String,
}

/// Does nothing unless a test starts it.
#[test]
fn child_does_what_it_is_told() {
    let Ok(words) = std::env::var(CLIENT) else {
        return;
    };
    let mut words = words.split(' ').map(str::to_owned);
    let client = Client {
        password: words.next().unwrap(),
        service: words.next().unwrap(),
        urls: words.collect(),
    };
    // A thread on which something was waited for goes at once, or their number says nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(10 * MS)
        .enable_all()
        .build()
        .unwrap();
    // A thread of the runtime's that waits for a line would never go.
    let (sender, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    runtime.block_on(client.serve(orders));
}

impl Client {
    async fn serve(self, mut orders: mpsc::UnboundedReceiver<String>) {
        let db = self.builder(NAMES.len()).connect().await.unwrap();
        let mut load = Some(self.load(&db).await);
        let mut answer = "started".to_owned();
        loop {
            println!("{ANSWER}{answer}");
            let order = orders.recv().await.unwrap();
            let (order, rest) = order.split_once(' ').unwrap_or((&order, ""));
            let done = async {
                match order {
                    "swap" => self.swap(&db, rest.parse().unwrap()).await,
                    "handles" => self.open_and_drop().await,
                    "load" => load = Some(self.load(&db).await),
                    "rest" => {
                        let load = load.take().unwrap();
                        println!("{} statements answered", load.end().await);
                        return self.rest(&db, rest.parse().ok()).await.to_string();
                    }
                    _ => {}
                }
                String::new()
            };
            let done = tokio::time::timeout(4 * LIMIT, done).await;
            answer = done.unwrap_or_else(|_| panic!("{order} {rest} does not end"));
            if order == "end" {
                println!("{ANSWER}");
                return;
            }
        }
    }

    /// On the handle that stays, and on one that knows its nodes from DNS and lives for as long as the load.
    async fn load(&self, db: &RoutedConnection) -> Load {
        let found = self.builder(1);
        let found = found.discovery(Discovery::Dns(self.service.clone()));
        Load::on(&[db.clone(), found.connect().await.unwrap()])
    }

    fn builder(&self, nodes: usize) -> Builder {
        let list = self.list_without(None).into_iter().take(nodes);
        list.fold(RoutedConnection::builder(), Builder::node)
            .password_file(Path::new(&self.password))
            .consistency(Consistency::ReadYourWrites)
            .check_interval(200 * MS)
            .check_timeout(400 * MS)
            .dead_after(600 * MS)
            .connect_timeout(1000 * MS)
            .acquire_timeout(5000 * MS)
            .drain_timeout(500 * MS)
            .ramp_up(200 * MS)
            // As many as there may be, so that their number is the same in every calm.
            .min_connections(1)
            .max_connections(1)
            .max_lifetime(30_000 * MS)
    }

    /// Lists of some of the nodes, then of all again. While the servers are in disorder a list may be refused.
    async fn swap(&self, db: &RoutedConnection, seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..9 {
            let list = self.list_without(Some(rng.usize(1..self.urls.len())));
            let _ = db.cluster().replace_nodes(list).await;
        }
        self.all(db).await;
    }

    async fn all(&self, db: &RoutedConnection) {
        let deadline = Instant::now() + LIMIT;
        while let Err(err) = db.cluster().replace_nodes(self.list_without(None)).await {
            assert!(Instant::now() < deadline, "{err}");
            tokio::time::sleep(20 * MS).await;
        }
    }

    /// A node that has been the primary and a replica keeps a pool for each, so what is open depends on what has been.
    /// Each is taken out and let in again, so that it has what its role asks for; the primary is last.
    async fn renew(&self, db: &RoutedConnection) {
        whole(db).await;
        let nodes = db.cluster().topology().nodes;
        let mut order: Vec<_> = (0..NAMES.len()).collect();
        let is_primary = |at: &usize| {
            let node = nodes.iter().find(|node| node.name == NAMES[*at]);
            node.is_some_and(|node| node.role == sealane::Role::Primary)
        };
        order.sort_by_key(is_primary);
        for at in order {
            let _ = db
                .cluster()
                .replace_nodes(self.list_without(Some(at)))
                .await;
            self.all(db).await;
            whole(db).await;
        }
    }

    /// A primary that was let in as a replica has both pools: then once more. What was left behind stays.
    async fn rest(&self, db: &RoutedConnection, wanted: Option<Counts>) -> Counts {
        for _ in 0..RENEWALS {
            self.renew(db).await;
            let counts = settled(db, wanted.clone()).await;
            if wanted.as_ref().is_none_or(|wanted| counts.is_flat(wanted)) {
                return counts;
            }
        }
        settled(db, wanted).await
    }

    /// One node has to be said to be the primary, whoever it is now.
    fn list_without(&self, gone: Option<usize>) -> Vec<NodeConfig> {
        let kept = (0..NAMES.len()).filter(|at| Some(*at) != gone);
        let node = |(place, at): (usize, usize)| {
            let (url, name) = (&self.urls[at], NAMES[at]);
            let node = match place {
                0 => NodeConfig::primary(url),
                _ => NodeConfig::replica(url),
            };
            node.unwrap().with_name(name)
        };
        kept.enumerate().map(node).collect()
    }

    /// Handles that are used and dropped, closed or not.
    async fn open_and_drop(&self) {
        for closes in [false, true] {
            // The servers may be in disorder.
            let builder = self.builder(NAMES.len()).min_connections(0);
            let Ok(db) = builder.connect().await else {
                continue;
            };
            let _ = db.execute_unprepared("INSERT INTO log VALUES (2)").await;
            let _ = db.query_one_raw(crate::fixture::sql(&db, "SELECT 1")).await;
            if closes {
                db.close().await.unwrap();
            }
        }
    }
}

/// Every node serves, nothing runs, and each pool has its connections.
fn is_whole(db: &RoutedConnection) -> bool {
    let nodes = db.cluster().topology().nodes;
    let whole = |node: &sealane::NodeStatus| {
        let serves = node.role == sealane::Role::Primary || node.ineligible.is_none();
        serves && node.in_flight == 0 && node.connections >= 1
    };
    nodes.len() == 3 && nodes.iter().all(whole)
}

async fn whole(db: &RoutedConnection) {
    crate::place::until_within(LIMIT, "a whole cluster", async || {
        // Without it a server that was down for long is asked up to half a minute after it is back.
        db.cluster().signal(ClusterSignal::Refresh).unwrap();
        is_whole(db)
    })
    .await;
}

/// The counts once all is whole and they stay alike, or are as wanted; those of the deadline else.
async fn settled(db: &RoutedConnection, wanted: Option<Counts>) -> Counts {
    let (deadline, mut last, mut alike) = (Instant::now() + LIMIT / 4, None::<Counts>, 0);
    loop {
        let (counts, whole) = (Counts::now(), is_whole(db));
        let same = last.as_ref().is_some_and(|last| counts.is_flat(last));
        alike = if whole && same { alike + 1 } else { 0 };
        let done = match &wanted {
            Some(wanted) => whole && counts.is_flat(wanted),
            None => alike >= ALIKE,
        };
        if done {
            return counts;
        }
        if Instant::now() > deadline {
            println!("{:?}", db.cluster().topology().nodes);
            println!("sockets by port: {:?}", sockets_by_port());
            return counts;
        }
        last = Some(counts);
        tokio::time::sleep(50 * MS).await;
    }
}
