//! What was written, by key.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// One writer and its key.
#[derive(Debug, Default)]
struct Entry {
    issued: AtomicI64,
    acknowledged: AtomicI64,
}

#[derive(Debug)]
pub struct Ledger(Vec<Entry>);

impl Ledger {
    pub fn new() -> Self {
        Self((0..KEYS).map(|_| Entry::default()).collect())
    }

    pub fn keys(&self) -> usize {
        self.0.len()
    }

    /// The next value to write; only the key's own writer asks.
    pub fn issue(&self, key: usize) -> i64 {
        self.0[key].issued.fetch_add(1, SeqCst) + 1
    }

    pub fn acknowledge(&self, key: usize, value: i64) {
        self.0[key].acknowledged.fetch_max(value, SeqCst);
    }

    /// What a read that begins now must not be below.
    pub fn acknowledged(&self, key: usize) -> i64 {
        self.0[key].acknowledged.load(SeqCst)
    }

    /// What no read can be above.
    pub fn issued(&self, key: usize) -> i64 {
        self.0[key].issued.load(SeqCst)
    }
}

pub const KEYS: usize = 8;
