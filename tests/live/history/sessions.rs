//! Sessions of every kind, each with its own idea of what it must see.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, TransactionTrait};
use sealane::{Bookmark, Consistency, RoutedConnection, Scope};

use super::{
    Names, Seen,
    ledger::{KEYS, Ledger},
    other_process::OtherProcess,
};

/// Whose writes a read must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everybody's in this process.
    Process,
    /// The task's own.
    Task,
    /// The session's own.
    Explicit,
    /// What the bookmark stands for that the last write gave.
    Bookmark,
    /// The same, read in another process.
    OtherProcess,
    /// Whatever it has seen.
    Monotonic,
    /// Nobody's.
    Eventual,
}

/// As many tasks as keys; each writes its own and reads its own or, where the kind allows, any.
pub async fn run(
    db: &RoutedConnection,
    names: &Names,
    kind: Kind,
    (ledger, reads, seed): (&Arc<Ledger>, u64, u64),
) -> Seen {
    let db = match kind {
        Kind::Task => by_task(names).await,
        _ => db.clone(),
    };
    let other = match kind {
        Kind::OtherProcess => Some(OtherProcess::start(names)),
        _ => None,
    };
    let tasks: Vec<_> = (0..KEYS)
        .map(|key| {
            let one = One {
                plain: db.clone(),
                session: match kind {
                    Kind::Process | Kind::Task => db.clone(),
                    Kind::Monotonic => db.empty_session().with_consistency(Consistency::Monotonic),
                    Kind::Eventual => db.with_consistency(Consistency::Eventual),
                    _ => db.session(),
                },
                kind,
                key,
                own: match kind {
                    Kind::Explicit => ledger.acknowledged(key),
                    _ => 0,
                },
                ledger: Arc::clone(ledger),
                rng: Rng::with_seed(seed.wrapping_add(key as u64)),
                floors: [0; KEYS],
                bookmark: Bookmark::default(),
                other: other.clone(),
                seen: Seen::default(),
            };
            tokio::spawn(one.run(reads / KEYS as u64 + 1))
        })
        .collect();
    let mut all = Seen::default();
    for task in tasks {
        all += task.await.unwrap();
    }
    all
}

async fn by_task(names: &Names) -> RoutedConnection {
    RoutedConnection::builder()
        .primary(&names.primary)
        .replicas(&names.replicas)
        .scope(Scope::Task)
        .diversion_limit(100)
        .connect()
        .await
        .unwrap()
}

struct One {
    plain: RoutedConnection,
    session: RoutedConnection,
    kind: Kind,
    key: usize,
    /// What was acknowledged to this session, or to the one that it began from.
    own: i64,
    ledger: Arc<Ledger>,
    rng: Rng,
    /// The greatest value that it has read, by key.
    floors: [i64; KEYS],
    bookmark: Bookmark,
    other: Option<OtherProcess>,
    seen: Seen,
}

impl One {
    async fn run(mut self, reads: u64) -> Seen {
        while self.seen.reads < reads {
            if self.rng.u32(..100) < 12 {
                self.write().await;
            }
            for _ in 0..self.rng.u32(1..6) {
                self.read().await;
            }
            if self.rng.u32(..100) < 20 {
                // Long enough for replicas to catch up now and then.
                let pause = Duration::from_millis(self.rng.u64(1..8));
                tokio::time::sleep(pause).await;
            }
        }
        self.seen
    }

    async fn write(&mut self) {
        let value = self.ledger.issue(self.key);
        // The caller goes away at some moment, or at its COMMIT; whether it was executed nobody knows.
        let patience = Duration::from_micros(self.rng.u64(0..1_500));
        let (all, commit) = match self.rng.u32(..100) {
            0..5 => (patience, LONG),
            5..10 => (LONG, patience),
            _ => (LONG, LONG),
        };
        let asynchronous = commit != LONG || self.rng.bool();
        let asynchronous = asynchronous.then_some(commit);
        // What a session wrote itself it would find on every replica that it may read: half of them only look.
        let looks = self.kind == Kind::Monotonic && self.key % 2 == 1;
        let writer = if looks { &self.plain } else { &self.session };
        let work = write(writer, self.key, value, asynchronous);
        let Ok(Some(done)) = tokio::time::timeout(all, work).await.map(Result::transpose) else {
            return;
        };
        match done {
            Ok(()) => {
                self.own = value;
                self.ledger.acknowledge(self.key, value);
            }
            Err(_) => self.seen.failed += 1,
        }
        if matches!(self.kind, Kind::Bookmark | Kind::OtherProcess) {
            match self.session.bookmark().await {
                Ok(bookmark) => self.bookmark = bookmark,
                Err(err) => panic!("{err}"),
            }
        }
    }

    async fn read(&mut self) {
        let any = matches!(self.kind, Kind::Process | Kind::Monotonic | Kind::Eventual);
        let key = match any {
            true => self.rng.usize(..KEYS),
            false => self.key,
        };
        let must = match self.kind {
            Kind::Monotonic => self.floors[key],
            Kind::Process | Kind::Eventual => self.ledger.acknowledged(key),
            // Also what was dropped and is seen all the same: it is the session's own.
            Kind::Task | Kind::Explicit => self.own.max(self.floors[key]),
            Kind::Bookmark | Kind::OtherProcess => self.own,
        };
        let value = match (&self.other, self.kind) {
            (Some(other), _) => other.read(key, &self.bookmark).await,
            (None, Kind::Bookmark) => read(&self.plain.session_from(&self.bookmark), key).await,
            (None, Kind::Monotonic) if self.rng.u32(..100) < 5 => {
                read(&self.session.primary(), key).await
            }
            _ => read(&self.session, key).await,
        };
        let value = match value {
            Ok(value) => value,
            Err(err) => {
                if self.seen.failed == 0 {
                    println!("{:?}, the first failure: {err}", self.kind);
                }
                self.seen.failed += 1;
                return;
            }
        };
        assert!(value <= self.ledger.issued(key), "nobody wrote {value}");
        self.seen.reads += 1;
        match self.kind {
            Kind::Monotonic => self.seen.backward += u64::from(value < must),
            _ => self.seen.stale += u64::from(value < must),
        }
        self.floors[key] = self.floors[key].max(value);
    }
}

/// Longer than anything takes that is waited for.
const LONG: Duration = Duration::from_secs(600);

/// Values only grow, also when a write that was given up is executed behind a later one. An asynchronous one is
/// committed within the time that is given, or not known to be: then nothing is returned.
async fn write(
    db: &RoutedConnection,
    key: usize,
    value: i64,
    asynchronous: Option<Duration>,
) -> Result<Option<()>, DbErr> {
    let update = format!("UPDATE mine SET value = greatest(value, {value}) WHERE key = {key}");
    let Some(patience) = asynchronous else {
        return db.execute_unprepared(&update).await.map(|_| Some(()));
    };
    let txn = db.begin().await?;
    txn.execute_unprepared("SET LOCAL synchronous_commit = off")
        .await?;
    txn.execute_unprepared(&update).await?;
    tokio::time::timeout(patience, txn.commit())
        .await
        .ok()
        .transpose()
}

pub async fn read(db: &RoutedConnection, key: usize) -> Result<i64, DbErr> {
    let key = i64::try_from(key).unwrap();
    let select = "SELECT value FROM mine WHERE key = $1";
    let stmt = Statement::from_sql_and_values(DbBackend::Postgres, select, [key.into()]);
    let row = db.query_one_raw(stmt).await?;
    row.expect("the row is there").try_get_by_index(0)
}
