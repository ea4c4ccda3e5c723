//! Which handles of this process share a clock: those to one cluster (rule C8).
//!
//! One cluster is one system identifier *and* a server in common: two physical copies have one identifier, and what is
//! written to one says nothing of the other. A handle that could not know at its start where it leads has a clock of its
//! own; once it knows, its clock and the cluster's are linked: from then on each hears of what is written through the
//! other. Putting one in the place of the other was rejected: sessions hold numbers of the clock that they began with.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering};

use super::Clock;

/// The clocks of this process; weak, so that a cluster that was dropped leaves nothing behind.
static CLOCKS: LazyLock<Mutex<Vec<KnownClock>>> = LazyLock::new(Mutex::default);

/// How many servers are remembered of a cluster: each start of one is another.
const SERVERS: usize = 64;

/// What a handle knows of the cluster that it leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) system: Option<u64>,
    /// The servers of the cluster that were seen, each by when it was started.
    pub(crate) servers: Vec<u64>,
    /// As it is configured; counts where no server says what it is.
    pub(crate) name: String,
}

impl Whose {
    fn is_one_with(&self, other: &Self) -> bool {
        match (self.system, other.system) {
            (Some(own), Some(theirs)) => {
                let common = |server| other.servers.contains(server);
                own == theirs && self.servers.iter().any(common)
            }
            (None, None) => self.name == other.name,
            _ => false,
        }
    }

    fn add(&mut self, other: &Self) {
        if self.system != other.system && self.system.is_some() && other.system.is_some() {
            // An authority named a primary of another cluster: what was known is of the one before.
            self.servers.clear();
        }
        self.system = other.system.or(self.system);
        for server in &other.servers {
            if !self.servers.contains(server) {
                self.servers.push(*server);
            }
        }
        let over = self.servers.len().saturating_sub(SERVERS);
        self.servers.drain(..over);
    }
}

struct KnownClock {
    clock: Weak<Clock>,
    whose: Whose,
}

impl Clock {
    /// The clock of this cluster; the same one for every caller in this process that knows it.
    pub(crate) fn of(whose: Whose) -> Arc<Self> {
        let mut clocks = clocks();
        clocks.retain(|entry| entry.clock.strong_count() > 0);
        for entry in clocks.iter_mut() {
            if entry.whose.is_one_with(&whose)
                && let Some(clock) = entry.clock.upgrade()
            {
                entry.whose.add(&whose);
                return clock;
            }
        }
        let clock = Arc::new(Self::default());
        clocks.push(KnownClock {
            clock: Arc::downgrade(&clock),
            whose,
        });
        clock
    }

    /// A handle with this clock knows more of its cluster.
    pub(crate) fn learn_whose(self: &Arc<Self>, whose: &Whose) {
        let mut clocks = clocks();
        let is_own =
            |entry: &&mut KnownClock| std::ptr::eq(entry.clock.as_ptr(), Arc::as_ptr(self));
        // That of connections which the application made is nobody else's.
        let Some(own) = clocks.iter_mut().find(is_own) else {
            return;
        };
        own.whose.add(whose);
        let known = own.whose.clone();
        let others: Vec<_> = clocks
            .iter()
            .filter(|entry| entry.whose.is_one_with(&known))
            .filter_map(|entry| entry.clock.upgrade())
            .filter(|other| !Arc::ptr_eq(other, self))
            .collect();
        drop(clocks);
        for other in others {
            self.link(&other);
        }
    }

    /// From now on each hears of what is written through the other, and of what has been.
    fn link(self: &Arc<Self>, other: &Arc<Self>) {
        for (clock, peer) in [(self, other), (other, self)] {
            let mut all = clock.peers.all();
            if all
                .iter()
                .any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(peer)))
            {
                return;
            }
            all.retain(|peer| peer.strong_count() > 0);
            all.push(Arc::downgrade(peer));
            clock.peers.any.store(true, Ordering::SeqCst);
        }
        for (clock, peer) in [(self, other), (other, self)] {
            clock.writes.pending.follow(&peer.writes.pending);
            clock.writes.concrete.follow(&peer.writes.concrete);
            clock.process.pin.follow(&peer.process.pin);
            clock.learn_of(peer);
            // What was written before: whatever the primary has now covers it.
            clock.writes.tick();
        }
    }
}

fn clocks() -> MutexGuard<'static, Vec<KnownClock>> {
    CLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}
