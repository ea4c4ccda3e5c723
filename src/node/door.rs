//! The admission check of a node's connections: whose server they lead to (rules C4, C6, T7).
//!
//! Each pool has a `Guide` that greets its new connections and asks the door; the door tells the topology what it heard.
//!
//! A name moves to another server while the old one lives, and a name has several servers behind it; so neither the pool
//! nor its address says where a connection leads. Every connection of every role says it itself, in its first round
//! trip, and is not used before this has judged it.
//!
//! Those that may write all lead to one server: as soon as one leads to another that is the primary in the same epoch or
//! a later one, the pools of before are over, and nothing more is sent on them. A server that was left is never gone
//! back to in that epoch, where there are epochs. Those that only read may lead to several: then positions prove nothing
//! (see `Replayed`).

mod guide;
mod hello;
mod stranger;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[cfg(any(feature = "postgres", feature = "mysql", test))]
pub(crate) use self::hello::PoolPurpose;
#[cfg(feature = "postgres")]
pub(crate) use self::hello::server_of;
pub(crate) use self::{guide::Guide, hello::Hello, stranger::Stranger};
use crate::{
    causality::{ReplayReport, Replayed},
    mutants,
};

/// A name that leads elsewhere twice within this time has several servers behind it; else it has moved.
const MOVES: Duration = Duration::from_mins(1);

/// How long a name is believed to have several servers. Afterwards it is looked at anew when its pools are.
const SEVERAL: Duration = Duration::from_mins(10);

/// How many servers are remembered that were left.
const LEFT: usize = 16;

/// What the topology hears of connections.
pub(crate) enum News {
    /// A pool's connections lead elsewhere than before.
    Moved,
    /// A server is the primary of this epoch, which is newer than any that was seen.
    Ahead(u64),
    /// A connection of the primary's name led to a standby elsewhere: the name has several servers.
    Strays,
    /// A server that is read from said how far it has come.
    Met(ReplayReport),
    /// Strings begin or end elsewhere than the judge sees it.
    Strings,
    /// A connection to a replica lacks the read-only default; whether it is the first.
    Defaultless(bool),
}

type Listener = Box<dyn Fn(&Arc<Replayed>, News) + Send + Sync>;

/// One node's, for all of its pools, one after another and for each role.
#[derive(Default)]
pub(crate) struct Door {
    inside: Mutex<Inside>,
    /// Pools of an older one are over.
    version: AtomicU64,
    /// How often pools ended whose server may live on at another address.
    elsewhere: AtomicU64,
    listener: OnceLock<Listener>,
    /// A session does not read a backslash in a string as one.
    strange_strings: AtomicBool,
    /// A connection to a replica lacked the read-only default.
    defaultless: AtomicBool,
}

/// What the topology knows of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The node takes writes.
    pub(crate) reigns: bool,
    /// Whether every node of the cluster takes writes.
    pub(crate) writes_everywhere: Option<bool>,
    /// Of which cluster.
    pub(crate) cluster: Option<u64>,
    /// The greatest epoch that was seen anywhere.
    pub(crate) greatest: Option<u64>,
    /// There is a primary to receive from.
    pub(crate) led: bool,
    /// When the server was started that said so, where it is, and in which epoch.
    pub(crate) started: Option<u64>,
    pub(crate) address: Option<u64>,
    pub(crate) epoch: Option<u64>,
}

/// One server, from one start to the next, and its timeline as far as it is known.
#[derive(Clone, Copy, Debug)]
struct Server {
    started: u64,
    timeline: Option<u64>,
    address: Option<u64>,
}

#[derive(Debug, Default)]
struct Inside {
    expected: Expected,
    /// The server to which connections that may write lead, and its timeline.
    home: Option<Server>,
    /// The servers that were met before the node took writes.
    met: Vec<Server>,
    left: Vec<u64>,
    last_move: Option<Instant>,
    several_until: Option<Instant>,
}

impl Door {
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn elsewhere(&self) -> u64 {
        self.elsewhere.load(Ordering::Acquire)
    }

    /// The pools of before are over. `same_address`: another server took the place of theirs, which is gone with that.
    fn ends_pools(&self, same_address: bool) {
        if !same_address {
            self.elsewhere.fetch_add(1, Ordering::AcqRel);
        }
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a session reads strings in another way than the standard's.
    pub(crate) fn has_strange_strings(&self) -> bool {
        self.strange_strings.load(Ordering::Acquire)
    }

    fn reads_strings_strangely(&self) {
        self.strange_strings.store(true, Ordering::Release);
    }

    /// Whether a connection to a replica lacked the read-only default (rule I7).
    pub(crate) fn lacks_read_only_default(&self) -> bool {
        self.defaultless.load(Ordering::Acquire)
    }

    /// Notes a connection without it; whether that is the first.
    fn mark_defaultless(&self) -> bool {
        !self.defaultless.swap(true, Ordering::AcqRel)
    }

    /// Sets who hears of news from now on; the first one only.
    pub(crate) fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    pub(super) fn tell(&self, pool: &Arc<Replayed>, news: News) {
        if let Some(listener) = self.listener.get() {
            listener(pool, news);
        }
    }

    /// What the topology knows now. Whether the pools are over with that: connections were opened before the node took
    /// writes, and lead to another server than the one that said it is the primary.
    pub(crate) fn expect(&self, expected: Expected) -> bool {
        let mut inside = self.inside();
        let began = expected.reigns && !inside.expected.reigns;
        inside.expected = expected;
        if !expected.reigns {
            let home = inside.home.take();
            inside.met.extend(home);
            return false;
        }
        if !began {
            return false;
        }
        let met = std::mem::take(&mut inside.met);
        let said = expected.started.map(|started| Server {
            started,
            timeline: expected.epoch,
            address: expected.address,
        });
        let home = said.or(met.first().copied());
        inside.home = home;
        let is_home = |met: &Server| home.is_some_and(|home| home.started == met.started);
        let over = !met.iter().all(is_home);
        if over {
            let is_there = |met: &Server| home.is_some_and(|home| home.address == met.address);
            self.ends_pools(met.iter().all(is_there));
        }
        over
    }

    /// What a probe found, as if it were a connection's first answer; whether the pools are over with that.
    pub(crate) fn probed(&self, hello: &Hello) -> bool {
        let known = self.inside().home.is_some();
        known && self.admit_writer(hello) == Err(Stranger::Moved)
    }

    /// Whether a server that was started then is the one that takes this node's writes, as far as is known.
    pub(crate) fn is_home(&self, started: u64) -> bool {
        self.inside()
            .home
            .is_none_or(|home| home.started == started)
    }

    /// One pool met two servers. Whether that is how it is under this name; else it has moved.
    pub(crate) fn met_another(&self) -> bool {
        let mut inside = self.inside();
        let now = Instant::now();
        let last = inside.last_move.replace(now);
        let again = last.is_some_and(|last| now.duration_since(last) < MOVES);
        if again {
            inside.several_until = Some(now + SEVERAL);
        }
        again
    }

    /// Whether several servers are known to answer under this name.
    pub(super) fn has_several(&self) -> bool {
        let until = self.inside().several_until;
        until.is_some_and(|until| Instant::now() < until)
    }

    /// A pool for writes begins.
    pub(super) fn begin_writer(&self) {
        self.inside().met.clear();
    }

    /// A connection that may write.
    pub(super) fn admit_writer(&self, hello: &Hello) -> Result<(), Stranger> {
        let mut inside = self.inside();
        let expected = inside.expected;
        is_ours(&expected, hello)?;
        inside.recovers(hello)?;
        let Some(started) = hello.started else {
            return Ok(());
        };
        let timeline = hello.timeline;
        let server = Server {
            started,
            timeline,
            address: hello.address,
        };
        if !expected.reigns {
            // A standby that may be promoted: where it leads counts when it is.
            if !inside.met.iter().any(|met| met.started == started) {
                inside.met.push(server);
            }
            return Ok(());
        }
        let age = timeline.zip(expected.greatest);
        if age.is_some_and(|(own, greatest)| own < greatest) {
            return Err(Stranger::Stale);
        }
        match inside.home {
            Some(home) if home.started != started => {
                if !mutants::lives("moved_name_unnoticed") {
                    inside.moves(home, server)?;
                    self.ends_pools(home.address == server.address);
                    return Err(Stranger::Moved);
                }
            }
            Some(home) => {
                inside.home = Some(Server {
                    timeline: timeline.or(home.timeline),
                    address: server.address.or(home.address),
                    ..home
                });
            }
            None => inside.home = Some(server),
        }
        match age {
            Some((own, greatest)) if own > greatest => Err(Stranger::NotYet),
            _ => Ok(()),
        }
    }

    /// A connection that only reads. Which server it is does not matter here.
    pub(super) fn admit_reader(
        &self,
        hello: &Hello,
        read_only_default: bool,
    ) -> Result<(), Stranger> {
        let expected = self.inside().expected;
        is_ours(&expected, hello)?;
        let age = hello.timeline.zip(expected.greatest);
        if age.is_some_and(|(own, greatest)| own < greatest) {
            return Err(Stranger::Stale);
        }
        // Several servers may be behind the name, and the checks have looked at another one (T5).
        if expected.led && hello.receives_nothing() {
            return Err(Stranger::ReceivesNothing);
        }
        let may_write = hello.writes_everywhere() == Some(true);
        if read_only_default && !hello.read_only_default && !hello.in_recovery && !may_write {
            return Err(Stranger::TakesWrites);
        }
        Ok(())
    }

    /// The epoch of a primary of this cluster that is newer than any that was seen, if that is what a connection leads to.
    /// Several servers may be behind a name that is read from, and one of them may be promoted.
    pub(super) fn newer_primary(&self, hello: &Hello) -> Option<u64> {
        let expected = self.inside().expected;
        let ours = expected.cluster.is_some() && hello.cluster == expected.cluster;
        let newer = |epoch: &u64| expected.greatest.is_some_and(|greatest| *epoch > greatest);
        let takes_writes = ours && !hello.in_recovery && hello.writes_everywhere() != Some(true);
        hello.timeline.filter(|_| takes_writes).filter(newer)
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Refuses a standby where the node is the primary: that one was demoted, or another server is behind the name too.
    fn recovers(&self, hello: &Hello) -> Result<(), Stranger> {
        if !(self.expected.reigns && hello.in_recovery) {
            return Ok(());
        }
        let home = self.home.and_then(|home| home.address);
        match home.zip(hello.address) {
            Some((home, address)) if home != address => Err(Stranger::Strays),
            _ => Err(Stranger::InRecovery),
        }
    }

    /// The name leads to another server than before, unless that is one which must not be written to.
    fn moves(&mut self, home: Server, server: Server) -> Result<(), Stranger> {
        // Where there are no timelines a planned change goes back without a restart.
        if server.timeline.is_some() && self.left.contains(&server.started) {
            return Err(Stranger::Left);
        }
        let ages = server.timeline.zip(home.timeline);
        if ages.is_some_and(|(own, known)| own < known) {
            return Err(Stranger::Stale);
        }
        if self.left.len() == LEFT {
            self.left.remove(0);
        }
        self.left.push(home.started);
        self.home = Some(server);
        Ok(())
    }
}

fn is_ours(expected: &Expected, hello: &Hello) -> Result<(), Stranger> {
    match (expected.writes_everywhere, hello.writes_everywhere()) {
        (Some(ours), Some(own)) if own != ours => return Err(Stranger::OtherSystem),
        (Some(true), None) => return Err(Stranger::OtherSystem),
        // None of those is ever in recovery.
        (Some(true), _) if hello.in_recovery => return Err(Stranger::OtherSystem),
        _ => {}
    }
    match (hello.cluster, expected.cluster) {
        (Some(own), Some(ours)) if own != ours => Err(Stranger::OtherCluster),
        _ => Ok(()),
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
