//! Writes whose callers are gone, until their servers have answered (rule C1).

use std::{sync::Arc, time::Duration};

use super::{Clock, Current, Session, gate::Writing, pending_writes::PendingWrite};

/// A write that is under way although nobody waits for its answer: see [`Current::abandon`]. Dropped without a word, it counts as running for a while.
#[derive(Debug)]
pub(crate) struct Abandoned {
    clock: Arc<Clock>,
    current: Current,
    open: Arc<PendingWrite>,
    pin: Duration,
    over: bool,
    /// The write is under way for as long as this.
    _writing: Option<Writing>,
}

impl Current {
    /// A write that is under way although nobody waits for its answer, until the guard says that it is over.
    pub(crate) fn abandon(
        &self,
        clock: &Arc<Clock>,
        pin: Duration,
        writing: Option<Writing>,
    ) -> Abandoned {
        let open = Arc::new(PendingWrite::new(pin));
        self.hold(clock, &open);
        Abandoned::new(clock, self, open, pin, writing)
    }

    fn hold(&self, clock: &Clock, open: &Arc<PendingWrite>) {
        match self {
            Self::Untracked => return,
            Self::Process => {}
            Self::Session(session) | Self::Client(session) => {
                session.pending(&clock.writes).add(Arc::clone(open))
            }
            Self::Task(task) => clock.tasks.note(&clock.writes, *task, |session| {
                session.pending(&clock.writes).add(Arc::clone(open))
            }),
        }
        clock.hold(open);
        clock.each_peer(|peer| {
            if let Self::Task(task) = self {
                let note =
                    |session: &Arc<Session>| session.pending(&peer.writes).add(Arc::clone(open));
                peer.tasks.note(&peer.writes, *task, note);
            }
            peer.hold(open);
        });
    }
}

impl Clock {
    /// The process has this to see.
    fn hold(&self, open: &Arc<PendingWrite>) {
        // Where nobody reads, nobody else takes out what has returned.
        self.process.open_writes(&self.writes);
        self.writes.pending.add(Arc::clone(open));
    }

    /// Something may be under way on a connection of `concrete()` that is gone, until the guard says that it is over.
    pub(crate) fn follow_concrete(self: &Arc<Self>, pin: Duration) -> Abandoned {
        let open = Arc::new(PendingWrite::new(pin));
        let add = |clock: &Self| {
            let writes = &clock.writes;
            writes
                .concrete
                .add_unresolved(&writes.count, Arc::clone(&open));
        };
        add(self);
        self.each_peer(add);
        Current::Process.hold(self, &open);
        Abandoned::new(self, &Current::Process, open, pin, None)
    }
}

impl Abandoned {
    /// `open`: what its sessions wait for.
    fn new(
        clock: &Arc<Clock>,
        current: &Current,
        open: Arc<PendingWrite>,
        pin: Duration,
        writing: Option<Writing>,
    ) -> Self {
        Self {
            clock: Arc::clone(clock),
            current: current.clone(),
            open,
            pin,
            over: false,
            _writing: writing,
        }
    }

    /// The write's connection is gone, while its server may still execute it.
    pub(crate) fn mark_unresolved(&self) {
        self.open.mark_unresolved();
    }

    /// The write's server has answered, or will never execute anything of it any more.
    pub(crate) fn end(mut self) {
        self.over = true;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        // The tick first: between the two a read would find everything covered.
        self.current.wrote(&self.clock, self.pin);
        match self.over {
            true => self.open.close(),
            // Nobody is left who could find out.
            false => self.open.give_up(),
        }
    }
}
