//! Looks after unresolved writes, until they are known to be over (rule C1).
//!
//! One is over when its process at the server is gone, or when another node is the primary: what the old one does with
//! it then is lost on every node. A primary that does not answer ends nothing: it may come back and go on.

#[cfg(feature = "postgres")]
use std::time::Instant;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::shared::Shared;
#[cfg(feature = "postgres")]
use crate::{
    backend::activity::{AtWork, Observer, Process},
    causality::unresolved::Backend,
    vocabulary::NodeId,
};
use crate::{
    causality::{
        UNKNOWN_HOLD,
        unresolved::{By, UnresolvedWrite, UnresolvedWrites},
    },
    mutants,
    positions::background_runtime,
};

/// Between two looks: the first, and the most.
const FIRST: Duration = Duration::from_millis(5);
const MOST: Duration = Duration::from_millis(250);

/// Between two attempts on a primary that does not answer (rule T1).
#[cfg(feature = "postgres")]
const PAUSE: Duration = Duration::from_millis(500);

/// How far the clocks of server and client may go apart while a transaction is open, beside a hundredth of that time.
#[cfg(feature = "postgres")]
const APART: Duration = Duration::from_secs(1);

/// An unresolved write, and what was seen of it.
struct Followed {
    write: UnresolvedWrite,
    /// The write cannot be seen at its server: only time is left.
    unseen: bool,
    /// When its process had last begun or ended something, as it was first seen.
    #[cfg(feature = "postgres")]
    changed: Option<i64>,
    /// The transactions that may be its own.
    #[cfg(feature = "postgres")]
    candidates: Option<Vec<(Backend, i64)>>,
}

/// Follows this handle's unresolved writes for as long as it lives.
pub(super) fn follow(shared: &Arc<Shared>) {
    let (weak, unresolved) = (
        Arc::downgrade(shared),
        Arc::clone(&shared.tracker.unresolved),
    );
    let watch = unresolved.watch();
    let mut alive = shared.snapshot.subscribe();
    background_runtime::spawn(async move {
        let _watch = watch;
        let mut following = Following::default();
        loop {
            tokio::select! {
                () = unresolved.news.notified() => following.pause = FIRST,
                // A handle without replicas is told of its unresolved writes as well, but not of a change without them.
                changed = alive.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(following.pause), if !following.all.is_empty() => {}
            }
            if following.step(&weak, &unresolved).await.is_none() {
                return;
            }
        }
    });
}

struct Following {
    all: Vec<Followed>,
    pause: Duration,
    #[cfg(feature = "postgres")]
    observer: Option<(NodeId, u64, Observer)>,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            pause: FIRST,
            #[cfg(feature = "postgres")]
            observer: None,
        }
    }
}

impl Following {
    /// One look; nothing when the handle is gone or closed.
    async fn step(&mut self, weak: &Weak<Shared>, unresolved: &UnresolvedWrites) -> Option<()> {
        let shared = weak.upgrade().filter(|shared| !shared.is_closed())?;
        self.all
            .extend(unresolved.take().into_iter().map(Followed::new));
        if self.all.is_empty() {
            return Some(());
        }
        self.end(|one| one.is_elsewhere(&shared) || one.is_timed_out());
        self.pause = (self.pause * 2).min(MOST);
        #[cfg(feature = "postgres")]
        {
            if self.all.iter().any(|one| !one.is_only_timed()) && self.look(&shared).await.is_err()
            {
                self.observer = None;
                self.pause = PAUSE;
            }
            if self.all.is_empty()
                && let Some((.., observer)) = self.observer.take()
            {
                observer.close().await;
            }
        }
        Some(())
    }

    /// Ends those that are over.
    fn end(&mut self, is_over: impl FnMut(&mut Followed) -> bool) {
        for over in self.all.extract_if(.., is_over) {
            over.write.abandoned.end();
        }
    }

    #[cfg(feature = "postgres")]
    async fn look(&mut self, shared: &Shared) -> Result<(), sea_orm::DbErr> {
        // Its probes knock at the door of a node that was found dead, and nobody else (T1).
        let primary = shared
            .snapshot
            .primary_node()
            .filter(|node| !shared.snapshot.is_ejected(node.id));
        let Some(primary) = primary else {
            return Ok(());
        };
        let Some(direct) = &primary.direct else {
            self.end_with_nothing();
            return Ok(());
        };
        let limit = shared.config.connect_timeout;
        let pids = self.all.iter().filter_map(Followed::pid).collect();
        let observer = self.observer.take();
        let asking = async {
            let mut observer = match observer {
                Some((id, since, open)) if (id, since) == (primary.id, primary.generation) => open,
                _ => Observer::open(&shared.config, direct).await?,
            };
            let at_work = observer.at_work(pids).await?;
            Ok((observer, at_work))
        };
        let asked = tokio::select! {
            asked = tokio::time::timeout(limit, asking) => asked.ok(),
            // The next look finds that the writes are elsewhere.
            () = shared.snapshot.until_replaced(Some(&primary)) => return Ok(()),
        };
        let (observer, at_work) = asked.unwrap_or_else(|| {
            Err(sea_orm::DbErr::ConnectionAcquire(
                sea_orm::ConnAcquireErr::Timeout,
            ))
        })?;
        self.observer = Some((primary.id, primary.generation, observer));
        // Asked of a node that was the primary until now, the answer says nothing.
        if shared
            .snapshot
            .primary_node()
            .is_some_and(|now| now.id == primary.id)
        {
            self.end(|one| one.write.trace.node == primary.id && one.is_gone(&at_work));
        }
        Ok(())
    }

    /// The unresolved writes cannot be asked for.
    #[cfg(feature = "postgres")]
    fn end_with_nothing(&mut self) {
        for one in &mut self.all {
            one.unseen = true;
        }
    }
}

impl Followed {
    fn new(write: UnresolvedWrite) -> Self {
        Self {
            write,
            unseen: false,
            #[cfg(feature = "postgres")]
            changed: None,
            #[cfg(feature = "postgres")]
            candidates: None,
        }
    }

    /// Another node is the primary, so that nobody will ever see it.
    fn is_elsewhere(&self, shared: &Shared) -> bool {
        let primary = shared.snapshot.primary_node();
        primary.is_some_and(|primary| primary.id != self.write.trace.node)
    }

    fn is_only_timed(&self) -> bool {
        self.unseen || self.write.trace.by == By::Nothing
    }

    fn is_timed_out(&self) -> bool {
        let held = self.write.since.elapsed();
        (self.is_only_timed() && held > UNKNOWN_HOLD)
            || (mutants::lives("unresolved_write_over_by_time")
                && held > Duration::from_millis(500))
    }
}

#[cfg(feature = "postgres")]
impl Followed {
    fn pid(&self) -> Option<i32> {
        match self.write.trace.by {
            By::Backend(backend) | By::Transaction(backend) => Some(backend.pid),
            By::Began(..) | By::Nothing => None,
        }
    }

    /// Whether its process is gone, or has ended what it was given.
    fn is_gone(&mut self, at_work: &AtWork) -> bool {
        match self.write.trace.by {
            By::Nothing => false,
            By::Backend(backend) => {
                let found = at_work.processes.iter().find(|one| one.is(backend));
                found.is_none_or(|process| self.has_moved_on(process))
            }
            By::Transaction(backend) => {
                let found = at_work.processes.iter().find(|one| one.is(backend));
                // It was in its transaction when the connection was lost: idle, it is out of that.
                found.is_none_or(|process| process.idle)
            }
            By::Began(..) if !at_work.counted => {
                self.unseen = true;
                false
            }
            By::Began(from, to) => {
                let own = self.candidates.get_or_insert_with(|| {
                    let processes = at_work.processes.iter();
                    processes
                        .filter(|one| may_be(one, at_work, from, to))
                        .filter_map(transaction)
                        .collect()
                });
                let still = |known| {
                    at_work
                        .processes
                        .iter()
                        .filter_map(transaction)
                        .any(|one| one == known)
                };
                own.retain(|known| still(*known));
                own.is_empty()
            }
        }
    }

    /// A process that lives on behind a pooler: it is idle, and has ended something since it was first seen. What was
    /// unresolved was the last that its client had to say.
    fn has_moved_on(&mut self, process: &Process) -> bool {
        let first = *self
            .changed
            .get_or_insert(process.changed.unwrap_or(i64::MIN));
        process.idle && process.changed.is_some_and(|now| now != first)
    }
}

#[cfg(feature = "postgres")]
fn transaction(process: &Process) -> Option<(Backend, i64)> {
    let Process { pid, started, .. } = *process;
    let started = started?;
    Some((Backend { pid, started }, process.begun?))
}

/// Whether its transaction may have begun between these.
#[cfg(feature = "postgres")]
fn may_be(process: &Process, at_work: &AtWork, from: Instant, to: Instant) -> bool {
    let most = at_work.answered.saturating_duration_since(from);
    let least = at_work.asked.saturating_duration_since(to);
    let apart = APART + most / 100;
    let open = process.for_micros.and_then(|open| u64::try_from(open).ok());
    let open = Duration::from_micros(open.unwrap_or_default());
    least.saturating_sub(apart) <= open && open <= most + apart
}
