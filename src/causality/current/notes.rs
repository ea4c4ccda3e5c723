//! What a statement leaves behind in its session: that it wrote, that it is still under way, what it saw.
//!
//! What a session writes the process has written too, and so have the other clocks of the cluster.

use std::time::{Duration, Instant};

use crate::{
    causality::{Clock, Current, monotonic::ObservedRead},
    position::Asks,
};

impl Current {
    /// A write returned.
    pub(crate) fn wrote(&self, clock: &Clock, pin: Duration) {
        if matches!(self, Self::Untracked) {
            return;
        }
        let now = Instant::now();
        clock.process.extend_pin(now, pin);
        match self {
            Self::Session(session) | Self::Client(session) => {
                session.extend_pin(now, pin);
                session.wrote(clock.writes.tick());
            }
            Self::Task(task) => clock.tasks.note(&clock.writes, *task, |session| {
                session.extend_pin(now, pin);
                session.wrote(clock.writes.tick());
            }),
            Self::Process => clock.process.wrote(clock.writes.tick()),
            Self::Untracked => {}
        }
        clock.each_peer(|peer| {
            peer.process.extend_pin(now, pin);
            match self {
                Self::Task(task) => peer.tasks.note(&peer.writes, *task, |session| {
                    session.extend_pin(now, pin);
                    session.wrote(peer.writes.tick());
                }),
                _ => peer.process.wrote(peer.writes.tick()),
            }
        });
    }

    /// A read returned that later ones must not fall behind (rule C9): on a replica, or on the primary.
    pub(crate) fn saw(&self, clock: &Clock, seen: Option<ObservedRead>) {
        match (self, seen) {
            (Self::Untracked, _) => {}
            (Self::Process, Some(seen)) => clock.process.saw(seen),
            (Self::Session(session), Some(seen)) => session.saw(seen),
            (Self::Client(session), Some(seen)) => {
                let (own, outer) = Self::both(session);
                own.saw(clock, Some(seen.clone()));
                outer.saw(clock, Some(seen));
            }
            (Self::Task(task), Some(seen)) => {
                clock
                    .tasks
                    .note(&clock.writes, *task, |session| session.saw(seen));
            }
            // The primary is as far as all of its replicas: what covers this covers earlier reads as well.
            (_, None) => {
                // A read that returns after this has perhaps seen more than the tick stands for.
                let before = Instant::now();
                self.wrote(clock, Duration::ZERO);
                if let Some(session) = self.session(clock) {
                    session.forget_seen(before, self.written(clock));
                }
            }
        }
    }

    /// The session has to see what a bookmark stands for.
    pub(crate) fn observe(&self, clock: &Clock, mark: Asks) {
        let gave_way = match self {
            Self::Untracked => false,
            Self::Process => clock.process.observe(mark),
            Self::Session(session) | Self::Client(session) => session.observe(mark),
            Self::Task(task) => clock
                .tasks
                .note(&clock.writes, *task, |session| session.observe(mark)),
        };
        if gave_way {
            self.wrote(clock, Duration::ZERO);
        }
    }
}
