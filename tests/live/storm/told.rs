//! What a writer was told, of whichever process, and what the last primary says of it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use sea_orm::DbErr;
use sealane_harness::Node;

/// What happened to one write, or to a read behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Issued,
    Acknowledged,
    /// Accepted by a primary of an epoch that was over for this process when it was sent.
    OldEpoch,
    /// Certainly not executed, or rolled back.
    Refused,
    /// Nobody knows: an error that says so, or a future that was dropped.
    Unknown,
    Read,
    FailedRead,
    /// A read below what was acknowledged.
    Stale,
    /// A read below what the same writer had seen of its own in the same epoch, though nobody may have told it that it
    /// was written.
    Backward,
}

const ALL: [What; 9] = [
    What::Issued,
    What::Acknowledged,
    What::OldEpoch,
    What::Refused,
    What::Unknown,
    What::Read,
    What::FailedRead,
    What::Stale,
    What::Backward,
];

/// What one writer was told.
#[derive(Debug, Default)]
pub struct Told {
    key: i64,
    /// The greatest number that was sent.
    pub issued: i64,
    acknowledged: Vec<i64>,
    refused: Vec<i64>,
    counts: BTreeMap<What, u64>,
    /// What was said of those that failed.
    errors: BTreeMap<String, u64>,
    /// Says each on standard output: the process may be killed at any moment.
    aloud: bool,
}

impl Told {
    pub fn new(key: i64) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    pub fn key(&self) -> i64 {
        self.key
    }

    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    pub fn aloud(self) -> Self {
        Self {
            aloud: true,
            ..self
        }
    }

    pub fn note(&mut self, what: What, n: i64) {
        if self.aloud {
            println!("told={what:?} {n}");
        }
        *self.counts.entry(what).or_default() += 1;
        match what {
            What::Issued => self.issued = n,
            What::Acknowledged => self.acknowledged.push(n),
            What::Refused => self.refused.push(n),
            _ => {}
        }
    }

    pub fn failed(&mut self, err: &DbErr) {
        // Without the figures, which are all unlike.
        let words = err.to_string();
        let words = words.chars().filter(|c| !c.is_ascii_digit()).take(150);
        *self.errors.entry(words.collect()).or_default() += 1;
    }

    /// What another process says; whether it was that.
    pub fn hear(&mut self, line: &str) -> bool {
        // The test's own output stands around it, sometimes on the same line.
        let Some((_, said)) = line.split_once("told=") else {
            return false;
        };
        let (word, n) = said.split_once(' ').unwrap();
        let what = ALL.iter().find(|what| format!("{what:?}") == word).unwrap();
        self.note(*what, n.parse().unwrap());
        true
    }

    /// Holds it against what the last primary has.
    fn against(&self, primary: &Node) -> Verdict {
        let sql = format!(
            "SELECT string_agg(n::text, ',') FROM log WHERE key = {}",
            self.key
        );
        let rows = primary.sql(&sql).unwrap();
        let mut there: HashMap<i64, u64> = HashMap::new();
        for n in rows.trim().split(',').filter_map(|n| n.parse().ok()) {
            *there.entry(n).or_default() += 1;
        }
        let only = |numbers: &[i64], stored: bool| {
            let those = numbers.iter().filter(|n| there.contains_key(n) == stored);
            those.copied().collect::<Vec<_>>()
        };
        let (lost, denied) = (only(&self.acknowledged, false), only(&self.refused, true));
        if !lost.is_empty() || !denied.is_empty() {
            println!("key {}: lost {lost:?}, denied {denied:?}", self.key);
        }
        let count = |what| self.counts.get(&what).copied().unwrap_or_default();
        Verdict {
            acknowledged: count(What::Acknowledged),
            lost: number(lost.len()),
            twice: number(there.values().filter(|times| **times > 1).count()),
            denied: number(denied.len()),
            stale: count(What::Stale),
            backward: count(What::Backward),
            old_epoch: count(What::OldEpoch),
            innocent: 0,
            unknown: count(What::Unknown),
            refused: count(What::Refused),
            reads: count(What::Read),
            failed_reads: count(What::FailedRead),
        }
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    pub acknowledged: u64,
    pub lost: u64,
    pub twice: u64,
    /// Told as not executed, and there.
    pub denied: u64,
    pub stale: u64,
    pub backward: u64,
    pub old_epoch: u64,
    /// Failed while nothing happened but statements of others that were broken.
    pub innocent: u64,
    unknown: u64,
    refused: u64,
    reads: u64,
    failed_reads: u64,
}

impl Verdict {
    pub fn of(all: &[Told], primary: &Node) -> Self {
        let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
        for (words, count) in all.iter().flat_map(|told| &told.errors) {
            *errors.entry(words).or_default() += count;
        }
        for (words, count) in errors {
            println!("{count:>6} {words}");
        }
        let each = all.iter().map(|told| told.against(primary));
        each.fold(Self::default(), |sum, one| sum.and(&one))
    }

    pub fn and(self, other: &Self) -> Self {
        Self {
            acknowledged: self.acknowledged + other.acknowledged,
            lost: self.lost + other.lost,
            twice: self.twice + other.twice,
            denied: self.denied + other.denied,
            stale: self.stale + other.stale,
            backward: self.backward + other.backward,
            old_epoch: self.old_epoch + other.old_epoch,
            innocent: self.innocent + other.innocent,
            unknown: self.unknown + other.unknown,
            refused: self.refused + other.refused,
            reads: self.reads + other.reads,
            failed_reads: self.failed_reads + other.failed_reads,
        }
    }

    /// Broken promises.
    pub fn wrong(&self) -> u64 {
        let of_reads = self.stale + self.backward;
        self.lost + self.twice + self.denied + of_reads + self.old_epoch + self.innocent
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
