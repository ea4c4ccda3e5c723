//! Client processes that are killed, or told to end, and started again at any moment, and say what they were told.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use fastrand::Rng;
use sea_orm::{ConnectOptions, Database};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use super::{
    calm::Calm,
    connect,
    told::Told,
    writers::{Known, Writer, routed},
};

/// What a child process needs, from its parent only.
const ORDERS: &str = "SEALANETEST_STORM_CLIENT";

/// The first key of theirs.
pub const FIRST: i64 = 40;

/// With what a process connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    Sealane,
    /// SeaORM alone, to whoever was the first primary.
    SeaOrm,
}

pub struct Clients {
    restart: Restart,
    stop: watch::Sender<bool>,
    slots: Vec<JoinHandle<Told>>,
}

/// For whoever has them restarted.
#[derive(Clone)]
pub struct Restart {
    restarts: watch::Sender<u64>,
    /// How many processes of theirs have written something.
    lives: Arc<AtomicU64>,
    slots: u64,
}

impl Restart {
    pub fn now(&self) {
        self.restarts.send_modify(|count| *count += 1);
    }

    /// Waits until each has written something in a new process, for so long at the most. It blocks.
    pub fn now_and_wait(&self, limit: Duration) {
        let (before, begun) = (self.lives.load(Relaxed), Instant::now());
        self.now();
        while self.lives.load(Relaxed) < before + self.slots && begun.elapsed() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Clients {
    /// `settled` is the epoch that a process which starts now has to know of when it has started.
    pub fn start(
        urls: &[String],
        all: impl IntoIterator<Item = With>,
        (settled, seed): (&Arc<AtomicU64>, u64),
    ) -> Self {
        let (restarts, stop) = (watch::Sender::new(0), watch::Sender::new(false));
        let lives = Arc::<AtomicU64>::default();
        let slots = all.into_iter().zip(FIRST..).map(|(with, key)| {
            let slot = Slot {
                with,
                key,
                urls: urls.join(" "),
                settled: Arc::clone(settled),
                lives: Arc::clone(&lives),
                rng: Rng::with_seed(seed.wrapping_add(key.unsigned_abs())),
            };
            tokio::spawn(slot.run(restarts.subscribe(), stop.subscribe()))
        });
        let slots: Vec<_> = slots.collect();
        Self {
            restart: Restart {
                restarts,
                lives,
                slots: u64::try_from(slots.len()).unwrap(),
            },
            slots,
            stop,
        }
    }

    pub fn restart(&self) -> Restart {
        self.restart.clone()
    }

    /// What each was told, in all its lives.
    pub async fn end(self) -> Vec<Told> {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        for slot in self.slots {
            all.push(slot.await.unwrap());
        }
        all
    }
}

/// One client, of which there is one process after the other.
struct Slot {
    with: With,
    key: i64,
    urls: String,
    settled: Arc<AtomicU64>,
    lives: Arc<AtomicU64>,
    rng: Rng,
}

impl Slot {
    async fn run(
        mut self,
        mut restart: watch::Receiver<u64>,
        mut stop: watch::Receiver<bool>,
    ) -> Told {
        let mut told = Told::new(self.key);
        while !*stop.borrow() {
            let mut child = self.spawn(told.issued + 1);
            let mut input = child.stdin.take();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let (mut last, acknowledged) = (String::new(), told.acknowledged());
            let mut lives = false;
            let asked = loop {
                tokio::select! {
                    line = lines.next_line() => match line.unwrap() {
                        Some(line) => if !told.hear(&line) {
                            last = line;
                        } else if !lives && told.acknowledged() > acknowledged {
                            lives = true;
                            self.lives.fetch_add(1, Relaxed);
                        },
                        None => break input.is_none(),
                    },
                    _ = restart.changed(), if input.is_some() => {
                        // One after the other, at any moment, without a word or with one.
                        let pause = Duration::from_millis(self.rng.u64(0..150));
                        tokio::time::sleep(pause).await;
                        if self.rng.u32(..3) > 0 {
                            child.start_kill().unwrap();
                        }
                        input = None;
                    }
                    _ = stop.changed(), if input.is_some() => input = None,
                }
            };
            child.wait().await.unwrap();
            assert!(asked, "a client has ended by itself: {last}");
        }
        told
    }

    fn spawn(&self, from: i64) -> Child {
        let (with, key) = (self.with, self.key);
        let (floor, seed) = (self.settled.load(Relaxed), fastrand::u64(..));
        let urls = &self.urls;
        let orders = format!("{with:?} {key} {from} {floor} {seed} {urls}");
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "storm::clients::child_writes_until_it_is_told_to_end",
                "--nocapture",
            ])
            .env(ORDERS, orders)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

/// Does nothing unless a storm starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_writes_until_it_is_told_to_end() {
    let Ok(orders) = std::env::var(ORDERS) else {
        return;
    };
    let words: Vec<&str> = orders.split(' ').collect();
    let [with, key, from, floor, seed, urls @ ..] = &words[..] else {
        panic!("{orders}")
    };
    let (key, from, floor, seed) = (
        key.parse().unwrap(),
        from.parse().unwrap(),
        floor.parse().unwrap(),
        seed.parse().unwrap(),
    );
    let stop = Arc::new(AtomicBool::new(false));
    {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
            stop.store(true, Relaxed);
        });
    }
    let calm = Arc::new(Calm::default());
    if *with == "SeaOrm" {
        let mut options = ConnectOptions::new(urls[0]);
        options
            .acquire_timeout(Duration::from_secs(1))
            .sqlx_logging(false);
        let known: Known = Arc::new(move || floor);
        let ready = async || Database::connect(options.clone()).await.ok();
        if let Some(db) = until(&stop, ready).await {
            let writer = Writer::new(db.clone(), db, (key, seed), known, calm);
            writer.aloud().run(stop, from).await;
        }
        return;
    }
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    if let Some(db) = until(&stop, async || connect(&urls).await.ok()).await {
        let writer = routed(&db, key, (floor, &calm, seed));
        writer.aloud().run(stop, from).await;
        db.close().await.unwrap();
    }
}

/// Tries until it is told to end; as a process that somebody starts anew whenever it cannot.
async fn until<T>(stop: &AtomicBool, mut ready: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    while !stop.load(Relaxed) {
        if let Some(ready) = ready().await {
            return Some(ready);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}
