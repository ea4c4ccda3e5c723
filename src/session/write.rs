//! A write from before its first byte is sent until its server has answered to the end (rule C1).

use std::{sync::Arc, time::Duration};

use super::{Abandoned, Clock, Current, gate::Writing};
use crate::mutants;

/// A write that is under way; its drop is the write's return, whichever way it came.
#[derive(Debug)]
pub(crate) struct OpenWrite {
    clock: Arc<Clock>,
    current: Current,
    /// How long reads follow it where there is only time; nothing where reads are always fresh.
    pin: Option<Duration>,
    lost: bool,
    /// It went through the gate.
    writing: Writing,
}

impl OpenWrite {
    pub(crate) fn new(
        (clock, writing): (&Arc<Clock>, Writing),
        current: &Current,
        pin: Option<Duration>,
    ) -> Self {
        if let (true, Some(pin)) = (mutants::lives("position_before_commit"), pin) {
            current.wrote(clock, pin);
        }
        Self {
            clock: Arc::clone(clock),
            current: current.clone(),
            pin,
            lost: false,
            writing,
        }
    }

    /// Whether its end has to be taken for one that nobody saw: its server may still execute it.
    pub(crate) fn is_lost(&mut self, lost: bool) {
        self.lost = lost;
    }

    /// Keeps its session on the primary until the guard is dropped; nothing where reads are always fresh.
    pub(crate) fn abandon(&self) -> Option<Abandoned> {
        let writing = self.writing.clone();
        Some(self.current.abandon(&self.clock, self.pin?, writing))
    }
}

impl Drop for OpenWrite {
    fn drop(&mut self) {
        match (self.pin, self.lost) {
            (None, _) => {}
            _ if mutants::lives("position_before_commit") => {}
            (Some(pin), true) => self.current.lost(&self.clock, pin),
            (Some(pin), false) => self.current.wrote(&self.clock, pin),
        }
    }
}
