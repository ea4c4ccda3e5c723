//! Everything that this process knows of one cluster's writes, shared by all of its handles (rules C1, C8): the write clock,
//! the sessions of the process and of its tasks, what was handed out, and the gate.

mod handed_out;
mod registry;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

pub(crate) use self::registry::Whose;
use super::{
    allowance::SharedAllowance, gate::Gate, session::Session, tasks::Tasks, unseen::HandedOut,
    word::Named, write_clock::WriteClock,
};

/// The clock of one cluster, shared by every handle to it in this process.
#[derive(Debug)]
pub(crate) struct Clock {
    /// What was written, and up to where that is known to lie.
    pub(crate) writes: WriteClock,
    /// Everything that this process writes and sees (rule C8).
    pub(crate) process: Arc<Session>,
    /// What each task writes and sees, where that is the scope.
    pub(crate) tasks: Tasks,
    handed_out: HandedOut,
    /// What writes go through.
    pub(crate) gate: Arc<Gate>,
    /// How much may be asked that nobody waits for.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        allow(dead_code, reason = "SQLite needs no positions")
    )]
    pub(crate) allowance: SharedAllowance,
    peers: Peers,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            writes: WriteClock::default(),
            process: Arc::new(Session::of_process()),
            tasks: Tasks::default(),
            handed_out: HandedOut::default(),
            gate: Arc::default(),
            allowance: SharedAllowance::default(),
            peers: Peers::default(),
        }
    }
}

/// Other clocks of the same cluster.
#[derive(Debug, Default)]
struct Peers {
    any: AtomicBool,
    all: Mutex<Vec<Weak<Clock>>>,
}

impl Peers {
    fn all(&self) -> MutexGuard<'_, Vec<Weak<Clock>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    /// This epoch counts from now on, whatever was seen: a handle was told so whose last word was that one. The number
    /// of the word; a handle that has not heard the last one covers nothing. The others hear it from
    /// [`words`](WriteClock::words).
    ///
    /// What was written and seen until now is of what was before. Until the accepted primary has told its first
    /// position, nobody has come as far; then that stands for all of it, as after a promotion (rule C10). Taking back
    /// the epochs that were seen was rejected: sessions and replicas hold their ordinals.
    ///
    /// Another clock of the cluster begins its positions anew as well; its handles hear it from that one.
    pub(crate) fn take_word(&self, named: Named, heard: u64) -> u64 {
        let before = self.writes.word();
        let word = self.begin_anew(named, heard);
        if word != before {
            self.each_peer(|peer| {
                peer.begin_anew(named, peer.writes.word());
            });
        }
        word
    }

    fn begin_anew(&self, named: Named, heard: u64) -> u64 {
        match self.writes.begin_anew(named, heard) {
            Ok(number) => {
                // What this process wrote is covered by what the accepted primary says first.
                self.process.wrote(self.writes.tick());
                self.writes.captures().ask();
                self.writes.news.notify_waiters();
                number
            }
            Err(number) => number,
        }
    }

    /// Tells the other clocks of the cluster.
    #[inline]
    pub(in crate::causality) fn each_peer(&self, tell: impl Fn(&Self)) {
        if self.peers.any.load(Ordering::Acquire) {
            let peers = self.peers.all().clone();
            peers
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|peer| tell(&peer));
        }
    }
}
