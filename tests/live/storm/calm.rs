//! Times in which nothing happens but statements that are broken: what fails then fails by them.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use sealane::{Role, RoutedConnection};
use sealane_harness::Node;

/// A machine that stands still for so long makes statements fail by itself.
const STILL: Duration = Duration::from_millis(120);

#[derive(Debug, Default)]
pub struct Calm {
    /// Counts up; odd during a calm.
    turn: AtomicU64,
    /// How many reads were answered in calms.
    answered: AtomicU64,
    complaints: Mutex<Vec<(u64, String)>>,
}

impl Calm {
    /// Which calm it is, if it is one.
    pub fn now(&self) -> Option<u64> {
        Some(self.turn.load(SeqCst)).filter(|turn| turn % 2 == 1)
    }

    pub fn count(&self, since: Option<u64>) {
        if since.is_some() && since == self.now() {
            self.answered.fetch_add(1, SeqCst);
        }
    }

    /// An innocent statement that was sent then has failed; it counts if it is the same calm still.
    pub fn complain(&self, since: Option<u64>, what: impl FnOnce() -> String) {
        if let Some(turn) = since.filter(|turn| self.now() == Some(*turn)) {
            self.complaints.lock().unwrap().push((turn, what()));
        }
    }

    /// Holds one; whether the machine let it be one.
    pub async fn hold(&self, length: Duration, primary: &Node) -> bool {
        let Ok(beside) = Database::connect(primary.url()).await else {
            return false;
        };
        let turn = self.turn.fetch_add(1, SeqCst) + 1;
        let longest = longest_wait(&beside, length).await;
        self.turn.fetch_add(1, SeqCst);
        let _ = beside.close().await;
        let quiet = longest < STILL;
        let mut complaints = self.complaints.lock().unwrap();
        complaints.retain(|(of, _)| *of != turn || quiet);
        quiet
    }

    /// Every complaint, and how many were answered.
    pub fn all(&self) -> (Vec<String>, u64) {
        let complaints = self.complaints.lock().unwrap();
        let said = complaints.iter().map(|(_, what)| what.clone()).collect();
        (said, self.answered.load(SeqCst))
    }
}

/// The longest time that a statement beside took, on a connection that knows of nothing.
async fn longest_wait(beside: &DatabaseConnection, length: Duration) -> Duration {
    let until = Instant::now() + length;
    let mut longest = Duration::ZERO;
    while Instant::now() < until {
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let answered = beside.execute_unprepared("SELECT 1").await.is_ok();
        longest = longest.max(if answered { begun.elapsed() } else { STILL });
    }
    longest
}

/// Whether every node is in use.
pub fn is_whole(db: &RoutedConnection) -> bool {
    let nodes = db.cluster().topology().nodes;
    let used = nodes
        .iter()
        .all(|node| node.ineligible.is_none() && !node.in_doubt);
    let primaries = nodes.iter().filter(|node| node.role == Role::Primary);
    used && primaries.count() == 1
}

/// Waits until every node is in use, for so long at the most; whether it is so.
pub async fn until_whole(db: &RoutedConnection, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    while !is_whole(db) {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}
