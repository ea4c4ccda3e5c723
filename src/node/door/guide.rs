//! What shows the connections of one pool through their node's door.

#[cfg(any(feature = "postgres", all(feature = "otel", feature = "mysql")))]
use std::sync::atomic::AtomicBool;
use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::watch;

use super::{Door, Hello, News, Stranger, hello::PoolPurpose};
#[cfg(feature = "postgres")]
use crate::config::Sharing;
#[cfg(feature = "postgres")]
use crate::node::{greet::FullestQuestion, sharing::Looker};
use crate::{causality::Replayed, mutants, node::sockets::Sockets};

/// One pool's.
#[derive(Debug)]
pub(crate) struct Guide {
    pub(crate) door: Arc<Door>,
    /// How far the servers have replayed that this pool's connections lead to.
    pub(crate) replayed: Arc<Replayed>,
    pub(in crate::node) purpose: PoolPurpose,
    /// The door's, when the pool was made or renewed.
    version: AtomicU64,
    elsewhere: u64,
    /// The search path that connections get as they are opened and asked; unset where whoever takes one has to ask it.
    hooked: OnceLock<Option<String>>,
    /// The role may not be told everything.
    #[cfg(feature = "postgres")]
    pub(in crate::node) question: FullestQuestion,
    refused: watch::Sender<Option<Stranger>>,
    /// The refusal that was told last to whoever operates the servers.
    told: Mutex<Option<Stranger>>,
    /// The sockets of its pool.
    pub(crate) sockets: Arc<Sockets>,
    /// Which port they lead to; unset where they are no network's.
    port: OnceLock<u16>,
    /// Whether a pooler shares its connections; unset where nobody looks for that.
    #[cfg(feature = "postgres")]
    sharing: OnceLock<Arc<Sharing>>,
    /// Who looks for one where a new connection shows that something stands between.
    #[cfg(feature = "postgres")]
    looker: OnceLock<Looker>,
    /// The guide's pool keeps no prepared statements any more.
    #[cfg(feature = "postgres")]
    adapted: AtomicBool,
    /// How many first answers were judged: a connection is open before, and nobody uses it before.
    judged: AtomicU64,
    /// A server has said that it is MariaDB.
    #[cfg(all(feature = "otel", feature = "mysql"))]
    is_mariadb: AtomicBool,
}

impl Guide {
    pub(crate) fn new(door: &Arc<Door>, purpose: PoolPurpose) -> Arc<Self> {
        if purpose.writes {
            door.begin_writer();
        }
        let replayed = Replayed::default();
        if !purpose.writes && door.has_several() {
            replayed.mark_several();
        }
        Arc::new(Self {
            version: AtomicU64::new(door.version()),
            elsewhere: door.elsewhere(),
            door: Arc::clone(door),
            replayed: Arc::new(replayed),
            purpose,
            hooked: OnceLock::new(),
            #[cfg(feature = "postgres")]
            question: FullestQuestion::default(),
            refused: watch::Sender::new(None),
            told: Mutex::default(),
            sockets: Arc::default(),
            port: OnceLock::new(),
            #[cfg(feature = "postgres")]
            sharing: OnceLock::new(),
            #[cfg(feature = "postgres")]
            looker: OnceLock::new(),
            #[cfg(feature = "postgres")]
            adapted: AtomicBool::new(false),
            judged: AtomicU64::new(0),
            #[cfg(all(feature = "otel", feature = "mysql"))]
            is_mariadb: AtomicBool::new(false),
        })
    }

    /// A server has said what it is.
    #[cfg(all(feature = "otel", feature = "mysql"))]
    pub(in crate::node) fn note_system(&self, is_mariadb: bool) {
        self.is_mariadb.store(is_mariadb, Ordering::Relaxed);
    }

    /// Whether the guide's pool leads to MariaDB, as far as its servers have said.
    #[cfg(all(feature = "otel", feature = "mysql"))]
    pub(crate) fn is_mariadb(&self) -> bool {
        self.is_mariadb.load(Ordering::Relaxed)
    }

    /// The guide's pool asks every new connection by itself, and gives it this search path.
    pub(crate) fn hook(&self, path: Option<&String>) {
        let _ = self.hooked.set(path.cloned());
    }

    /// The connections of the guide's pool lead to this port of some host.
    pub(crate) fn lead_to(&self, port: Option<u16>) {
        if let Some(port) = port {
            let _ = self.port.set(port);
        }
    }

    /// What is found out of a pooler concerns the guide's pool.
    #[cfg(feature = "postgres")]
    pub(in crate::node) fn watch(&self, sharing: Arc<Sharing>, looker: Looker) {
        let _ = self.sharing.set(sharing);
        let _ = self.looker.set(looker);
    }

    /// What is found out of what stands between, and who looks; nothing where nobody does.
    #[cfg(feature = "postgres")]
    pub(in crate::node) fn looks(&self) -> Option<(&Sharing, &Looker)> {
        Some((self.sharing.get()?, self.looker.get()?))
    }

    /// Whether the next transaction on a connection may be in another process of the server.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        #[cfg(feature = "postgres")]
        let shared = self.sharing.get().is_some_and(|found| found.is_shared());
        #[cfg(not(feature = "postgres"))]
        let shared = false;
        shared
    }

    /// Whether a statement keeps its connection in a transaction only (rule I8).
    #[inline]
    pub(crate) fn needs_blocks(&self) -> bool {
        #[cfg(feature = "postgres")]
        let needs = self.sharing.get().is_some_and(|found| found.needs_blocks());
        #[cfg(not(feature = "postgres"))]
        let needs = false;
        needs
    }

    /// Whether its pool has to begin to keep no prepared statements; true once.
    #[cfg(feature = "postgres")]
    pub(crate) fn has_to_adapt(&self) -> bool {
        self.needs_blocks()
            && !self.adapted.load(Ordering::Acquire)
            && !self.adapted.swap(true, Ordering::AcqRel)
    }

    /// A connection of its pool was opened, and has been answered: from now on it is one of those that are looked at.
    pub(crate) fn list(&self) {
        self.sockets.opened(self.port.get().copied());
    }

    /// Whether the pool asks every new connection by itself.
    #[inline]
    pub(crate) fn is_hooked(&self) -> bool {
        self.hooked.get().is_some()
    }

    /// The search path that its connections are given, where they are asked as they are opened.
    pub(crate) fn path(&self) -> Option<&Option<String>> {
        self.hooked.get()
    }

    /// Whether its pool is over, because connections that may write lead to another server now.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.purpose.writes && self.version.load(Ordering::Acquire) != self.door.version()
    }

    /// Whether the server that its connections led to may live on, at another address.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.purpose.writes && self.elsewhere != self.door.elsewhere()
    }

    /// The guide's pool goes on, with connections to the server of now.
    pub(crate) fn renew(&self) {
        self.version.store(self.door.version(), Ordering::Release);
    }

    /// Whether its pool has to be opened anew: it is over, or met several servers that may be one by now.
    pub(crate) fn is_stranded(&self) -> bool {
        self.is_over()
            || (!self.purpose.writes && self.replayed.is_mixed() && !self.door.has_several())
    }

    /// Why a connection of it was not used; hears of the next time as well.
    pub(crate) fn refusals(&self) -> watch::Receiver<Option<Stranger>> {
        self.refused.subscribe()
    }

    /// Whether this refusal is to be told: no other line does, and it was not told last.
    pub(crate) fn is_news(&self, stranger: Stranger) -> bool {
        let told = || {
            let told = &mut self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.replace(stranger)
        };
        !stranger.is_told_otherwise() && told() != Some(stranger)
    }

    /// How many connections were judged so far.
    pub(crate) fn judged(&self) -> u64 {
        self.judged.load(Ordering::Acquire)
    }

    /// Admits or refuses a connection by its server's first answer.
    pub(crate) fn admit(&self, hello: &Hello) -> Result<(), Stranger> {
        self.judged.fetch_add(1, Ordering::AcqRel);
        if !hello.plain_strings {
            self.door.reads_strings_strangely();
            self.door.tell(&self.replayed, News::Strings);
        }
        let admitted = match self.purpose.writes {
            true => self.door.admit_writer(hello),
            false => self
                .door
                .admit_reader(hello, self.purpose.read_only_default),
        };
        match self.is_over() {
            true => self.door.tell(&self.replayed, News::Moved),
            false => self.look_ahead(hello),
        }
        let admitted = match self.is_over() {
            // Whatever this one says.
            true => Err(Stranger::Moved),
            false => admitted,
        };
        match admitted {
            Ok(()) => self.welcome(hello),
            Err(stranger) => {
                if stranger == Stranger::Strays {
                    self.door.tell(&self.replayed, News::Strays);
                }
                self.refused.send_replace(Some(stranger));
            }
        }
        admitted
    }

    /// Judges the server that an open connection's reads run on from now to the end of a transaction.
    #[cfg(feature = "postgres")]
    pub(crate) fn meet(&self, hello: &Hello) -> Result<(), Stranger> {
        self.look_ahead(hello);
        // It is in a transaction that writes nothing.
        self.door.admit_reader(hello, false)?;
        if let Some(replay) = &hello.replay {
            self.replayed.meet(replay.server, replay.address);
        }
        Ok(())
    }

    /// Tells of a primary of a later epoch, where a connection leads to one.
    fn look_ahead(&self, hello: &Hello) {
        if let Some(epoch) = self.door.newer_primary(hello) {
            self.door.tell(&self.replayed, News::Ahead(epoch));
        }
    }

    /// Gives the whole pool up, because a connection of it is in use that should not be; not where it is only too early.
    pub(crate) fn abandon(&self, stranger: Stranger) -> DbErr {
        if stranger != Stranger::NotYet {
            self.door.tell(&self.replayed, News::Moved);
        }
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
    }

    fn welcome(&self, hello: &Hello) {
        if self.purpose.writes || mutants::lives("position_kept_over_crash") {
            return;
        }
        self.replayed.opened();
        // In a transaction of one statement that says so itself.
        if self.purpose.read_only_default && !hello.read_only_default && !self.needs_blocks() {
            let first = self.door.mark_defaultless();
            self.door.tell(&self.replayed, News::Defaultless(first));
        }
        if let Some(replay) = &hello.replay {
            // Before anybody can use it, and also where nobody listens yet.
            self.replayed.meet(replay.server, replay.address);
            self.door.tell(&self.replayed, News::Met(replay.clone()));
        }
    }
}
