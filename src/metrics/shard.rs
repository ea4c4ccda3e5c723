//! Sharded counters: each thread adds to its own copy, so that two threads share no cache line on the hot path.
//!
//! The index is a number that a thread gets at its first use and keeps. Asking for the CPU was the alternative: it is
//! a system call on some platforms, and a thread that moves would leave its line warm elsewhere. A sum over the copies
//! is exact once the writers have stopped, and never lower than what was finished before it began. The counters of
//! nodes and of the write gate are kept so.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

/// More copies cost memory per node and gain nothing: by then the threads wait for the database, not for each other.
const MOST: usize = 16;

/// Twice the cores, because threads that come and go (tests, blocking calls) take numbers too, and two workers whose
/// numbers differ by the number of cores would meet on one line.
static SHARDS: LazyLock<usize> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    (2 * cores).next_power_of_two().min(MOST)
});

static NEXT: AtomicUsize = AtomicUsize::new(0);

const NONE_YET: usize = usize::MAX;

thread_local! {
    /// Constant and without a destructor, so that reading it is one load and no check of a state.
    static SHARD: Cell<usize> = const { Cell::new(NONE_YET) };
}

/// How many copies there are: a power of two, the same for the life of the process.
#[must_use]
pub(crate) fn shards() -> usize {
    *SHARDS
}

/// The copy that belongs to the calling thread, below [`shards`].
#[inline]
#[must_use]
pub(crate) fn shard() -> usize {
    let mine = SHARD.get();
    if mine == NONE_YET {
        take_number()
    } else {
        mine
    }
}

#[cold]
fn take_number() -> usize {
    let mine = NEXT.fetch_add(1, Relaxed) % shards();
    SHARD.set(mine);
    mine
}

/// A value that shares no cache line with its neighbours.
///
/// 128 bytes and not 64, because x86 fetches lines in pairs and some ARM cores have lines of 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

/// One copy of `T` per shard.
#[derive(Debug)]
pub(crate) struct Sharded<T> {
    copies: Box<[Padded<T>]>,
}

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self {
            copies: (0..shards()).map(|_| Padded::default()).collect(),
        }
    }
}

impl<T> Sharded<T> {
    /// The calling thread's copy.
    #[inline]
    #[must_use]
    pub(crate) fn local(&self) -> &T {
        self.at(shard())
    }

    /// The copy with this index, which came from [`shard`].
    #[inline]
    #[must_use]
    pub(crate) fn at(&self, shard: usize) -> &T {
        &self.copies[shard].0
    }

    /// Every copy, to be summed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.copies.iter().map(|copy| &copy.0)
    }
}
