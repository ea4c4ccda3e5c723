//! The application: writes on a beat, reads as fast as eight tasks can, and remembers what it was told.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DbErr, Statement};
use sealane::{Error as Ours, Outcome, Role, RoutedConnection};
use sealane_harness::{Cluster, Node};

use crate::Result;

/// Between two writes.
const BEAT: Duration = Duration::from_millis(5);
const READERS: usize = 8;

/// What it was told, shared by its tasks.
#[derive(Default)]
struct Told {
    /// When each write was acknowledged, by its number.
    written: Mutex<Vec<(u64, Instant)>>,
    unknown: Mutex<Vec<u64>>,
    reads: AtomicU64,
    /// By kind and words.
    errors: Mutex<BTreeMap<(&'static str, String), u64>>,
    over: AtomicBool,
}

pub(crate) struct Client {
    db: RoutedConnection,
    told: Arc<Told>,
}

/// What it saw in all.
pub(crate) struct Seen(Arc<Told>);

impl Client {
    pub(crate) async fn connect(cluster: &Cluster) -> Result<Self> {
        let names = ["second", "third"];
        let named = cluster.standbys().iter().zip(names);
        let db = RoutedConnection::builder()
            .primary(format!("{}?name=first", cluster.primary().url()))
            .replicas(named.map(|(node, name)| format!("{}?name={name}", node.url())))
            .max_connections(16)
            .ramp_up(Duration::from_millis(100))
            .connect()
            .await?;
        for sql in [
            "CREATE TABLE written (number bigint)",
            "CREATE TABLE floor (n bigint)",
        ] {
            db.execute_unprepared(sql).await?;
        }
        cluster.wait_caught_up()?;
        let client = Self {
            db,
            told: Arc::default(),
        };
        client.write();
        (0..READERS).for_each(|_| client.read());
        Ok(client)
    }

    /// An open loop: a write that waits does not hold up the next one.
    fn write(&self) {
        let (db, told) = (self.db.clone(), Arc::clone(&self.told));
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(BEAT);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            for number in 0_u64.. {
                ticks.tick().await;
                if told.over.load(Ordering::Relaxed) {
                    return;
                }
                let (db, told) = (db.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    let sql = format!("INSERT INTO written VALUES ({number})");
                    match db.execute_unprepared(&sql).await {
                        Ok(_) => told.written().push((number, Instant::now())),
                        Err(err) => told.failed("write", number, &err),
                    }
                });
            }
        });
    }

    fn read(&self) {
        let (db, told) = (self.db.clone(), Arc::clone(&self.told));
        tokio::spawn(async move {
            let sql = "SELECT max(number) FROM written WHERE number > 0";
            while !told.over.load(Ordering::Relaxed) {
                let stmt = Statement::from_string(db.get_database_backend(), sql);
                match db.query_one_raw(stmt).await {
                    Ok(_) => drop(told.reads.fetch_add(1, Ordering::Relaxed)),
                    Err(err) => told.failed("read", 0, &err),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    /// Waits until one primary and all replicas are in use.
    pub(crate) async fn until_well(&self, nodes: usize) -> Result<()> {
        let begun = Instant::now();
        loop {
            let topology = self.db.cluster().topology();
            let well = |node: &&sealane::NodeStatus| {
                !node.in_doubt
                    && node.ineligible.is_none()
                    && matches!(node.role, Role::Primary | Role::Replica)
            };
            if topology.nodes.iter().filter(well).count() == nodes {
                return Ok(());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(format!("not all nodes are in use: {topology}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// When the first write was acknowledged that the new primary has.
    pub(crate) async fn first_write_on(&self, new: &Node, since: Instant) -> Result<Instant> {
        let begun = Instant::now();
        let mut known = None;
        while begun.elapsed() < Duration::from_secs(60) {
            // An answer of the old primary's may have been on its way.
            let old = self
                .told
                .written()
                .iter()
                .filter(|(_, at)| *at > since)
                .copied()
                .collect::<Vec<_>>();
            if let (None, Some(_)) = (known, old.last()) {
                known = self.first_there(new, &old).await?;
            }
            if let Some(at) = known {
                return Ok(at);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("no write got through".into())
    }

    /// The first of these whose row was written in the new primary's epoch.
    async fn first_there(&self, new: &Node, of: &[(u64, Instant)]) -> Result<Option<Instant>> {
        let node = new.clone();
        let first = tokio::task::spawn_blocking(move || {
            if !node.is_primary()? {
                return Ok(String::new());
            }
            // What was replayed from the old one lies below the first row of the floor.
            node.sql("SELECT min(number) FROM written WHERE xmin::text::bigint >= (SELECT max(xmin::text::bigint) FROM floor)")
        })
        .await??;
        let Ok(first) = first.trim().parse::<u64>() else {
            return Ok(None);
        };
        let at = of
            .iter()
            .filter(|(number, _)| *number >= first)
            .map(|(_, at)| *at)
            .min();
        Ok(at)
    }

    /// Failed writes and reads so far.
    pub(crate) fn errors(&self) -> (u64, u64) {
        (self.told.count("write"), self.told.count("read"))
    }

    /// Stops, and waits for what is under way.
    pub(crate) async fn end(&self) -> Seen {
        self.told.over.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
        Seen(Arc::clone(&self.told))
    }
}

impl Told {
    fn written(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Instant)>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, what: &'static str, number: u64, err: &DbErr) {
        let ours = Ours::from_db_err(err);
        let unknown = ours.is_some_and(|ours| ours.outcome() == Outcome::Unknown);
        let kind = match (what, unknown) {
            ("write", true) => {
                let mut all = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(number);
                "unknown"
            }
            _ => what,
        };
        let words: String = err.to_string().chars().take(160).collect();
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        *errors.entry((kind, words)).or_default() += 1;
    }

    fn count(&self, kind: &str) -> u64 {
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let of = errors.iter().filter(|((known, _), _)| *known == kind);
        of.map(|(_, count)| *count).sum()
    }
}

impl Seen {
    pub(crate) fn read_errors(&self) -> u64 {
        self.0.count("read")
    }

    pub(crate) fn write_errors(&self) -> u64 {
        self.0.count("write")
    }

    pub(crate) fn unknown(&self) -> u64 {
        self.0.count("unknown")
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.0.written().len();
        let reads = self.0.reads.load(Ordering::Relaxed);
        write!(f, "{written} writes and {reads} reads were answered")?;
        let errors = self.0.errors.lock().unwrap_or_else(PoisonError::into_inner);
        for ((kind, words), count) in &*errors {
            write!(f, "\n  {count:>5} {kind:<8}{words}")?;
        }
        Ok(())
    }
}

/// How many acknowledged writes are not there, and how many writes are there more than once.
pub(crate) fn check(node: &Node, seen: &Seen) -> Result<(u64, u64)> {
    let rows = node.sql("SELECT string_agg(number::text, ',') FROM written")?;
    let mut there: BTreeMap<u64, u64> = BTreeMap::new();
    for number in rows.trim().split(',').filter(|text| !text.is_empty()) {
        *there.entry(number.parse()?).or_default() += 1;
    }
    let acknowledged = seen.0.written();
    let lost = acknowledged
        .iter()
        .filter(|(number, _)| !there.contains_key(number));
    let twice = there.values().filter(|count| **count > 1);
    Ok((u64::try_from(lost.count())?, u64::try_from(twice.count())?))
}
