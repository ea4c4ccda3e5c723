//! Writes whose callers are gone, until their servers have answered (rule C1).

use std::{sync::Arc, time::Duration};

use super::{Clock, Current, gate::Writing, pending_writes::PendingWrite};

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

impl Abandoned {
    /// `open`: what its sessions wait for.
    pub(super) fn new(
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
    pub(crate) fn mark_lost(&self) {
        self.open.lose();
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
            true => self.open.close(self.clock.ticks()),
            // Nobody is left who could find out.
            false => self.open.give_up(),
        }
    }
}
