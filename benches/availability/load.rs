//! What an application does.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr, Statement};

/// As many callers as there are, each with one read after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    callers: u32,
    /// Reads of each.
    each: u32,
    /// How long the server takes for one.
    takes: Duration,
    /// Reads before, of `SLOW`, that nobody waits for to the end.
    given_up: u32,
}

const SLOW: Duration = Duration::from_millis(600);

/// How long somebody waits who then gives up.
const PATIENCE: Duration = Duration::from_millis(40);

const fn callers(name: &'static str, callers: u32, each: u32) -> Load {
    Load {
        name,
        callers,
        each,
        takes: Duration::from_millis(5),
        given_up: 0,
    }
}

impl Load {
    pub(crate) const ALL: [Self; 6] = [
        callers("1 caller", 1, 150),
        callers("8 callers", 8, 80),
        callers("30 callers", 30, 40),
        callers("100 callers", 100, 15),
        Self {
            takes: Duration::from_millis(100),
            ..callers("burst of 500", 500, 1)
        },
        Self {
            given_up: 40,
            ..callers("40 given up", 20, 1)
        },
    ];

    /// A tenth of it, of at least one read each.
    pub(crate) fn shorter(self) -> Self {
        Self {
            each: (self.each / 10).max(1),
            callers: if self.callers > 100 {
                100
            } else {
                self.callers
            },
            ..self
        }
    }

    pub(crate) async fn run<C>(self, db: &C) -> Ran
    where
        C: ConnectionTrait + Clone + Send + Sync + 'static,
    {
        if self.given_up > 0 {
            let slow = (0..self.given_up).map(|_| async {
                let read = db.query_one_raw(read(db, SLOW));
                let _ = tokio::time::timeout(PATIENCE, read).await;
            });
            futures_util::future::join_all(slow).await;
        }
        let callers = (0..self.callers).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut ran = Ran::default();
                for _ in 0..self.each {
                    let begun = Instant::now();
                    let read = db.query_one_raw(read(&db, self.takes)).await;
                    ran.note(begun.elapsed(), read.map(drop));
                }
                ran
            })
        });
        let mut all = Ran::default();
        for caller in callers.collect::<Vec<_>>() {
            match caller.await {
                Ok(ran) => all.and(ran),
                Err(err) => all.failed.push(err.to_string()),
            }
        }
        all
    }
}

fn read(db: &impl ConnectionTrait, takes: Duration) -> Statement {
    let text = format!(
        "SELECT count(*), pg_sleep({}) FROM note WHERE n = 0",
        takes.as_secs_f64()
    );
    Statement::from_string(db.get_database_backend(), text)
}

/// What became of the reads.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Of those that were answered.
    pub(crate) took: Vec<Duration>,
    /// What the others were told.
    pub(crate) failed: Vec<String>,
}

impl Ran {
    fn note(&mut self, took: Duration, read: std::result::Result<(), DbErr>) {
        match read {
            Ok(()) => self.took.push(took),
            Err(err) => self.failed.push(err.to_string()),
        }
    }

    pub(crate) fn and(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed.extend(other.failed);
    }
}
