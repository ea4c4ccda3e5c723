//! A write from before its first byte is sent until its server has answered to the end (rule C1).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    Clock, Current,
    gate::Writing,
    unresolved::{Backend, By, Orphan, Trace, UnresolvedWrites},
};
use crate::mutants;

/// A write that is under way; its drop is the write's return, whichever way it came.
#[derive(Debug)]
pub(crate) struct OpenWrite {
    clock: Arc<Clock>,
    unresolved_writes: Arc<UnresolvedWrites>,
    current: Current,
    /// How long reads follow it where there is only time; nothing where reads are always fresh.
    pin: Option<Duration>,
    unresolved: bool,
    /// By what it is known at its server; nothing before it was sent.
    trace: Option<Trace>,
    /// In which process its transaction was begun, where only that tells.
    found: OnceLock<Backend>,
    /// The write's passage through the gate.
    writing: Writing,
}

impl OpenWrite {
    pub(crate) fn new(
        clock: &Arc<Clock>,
        unresolved_writes: &Arc<UnresolvedWrites>,
        writing: Writing,
        current: &Current,
        pin: Option<Duration>,
    ) -> Self {
        if let (true, Some(pin)) = (mutants::lives("position_before_commit"), pin) {
            current.wrote(clock, pin);
        }
        Self {
            clock: Arc::clone(clock),
            unresolved_writes: Arc::clone(unresolved_writes),
            current: current.clone(),
            pin,
            unresolved: false,
            trace: None,
            found: OnceLock::new(),
            writing,
        }
    }

    /// The write is about to be sent, and can be found there by this.
    pub(crate) fn mark_sent(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// The write's transaction has begun in this process, before anything of it was sent.
    #[cfg(feature = "postgres")]
    pub(crate) fn found(&self, backend: Backend) {
        // The last one counts, and a write is sent once.
        let _ = self.found.set(backend);
    }

    /// By what the write is known at its server.
    fn traced(&self) -> Option<Trace> {
        let by = self.found.get().copied().map(By::Transaction);
        self.trace.map(|trace| Trace {
            by: by.unwrap_or(trace.by),
            ..trace
        })
    }

    /// Whether its end has to be taken for one that nobody saw: its server may still execute it.
    pub(crate) fn set_unresolved(&mut self, unresolved: bool) {
        self.unresolved = unresolved;
    }

    /// Keeps its session on the primary until it is known to be over; nothing where reads are always fresh.
    pub(crate) fn abandon(&self) -> Option<Orphan> {
        let writing = Some(self.writing.clone());
        let abandoned = self.current.abandon(&self.clock, self.pin?, writing);
        Some(Orphan::new(
            &self.unresolved_writes,
            abandoned,
            self.traced(),
        ))
    }
}

impl Drop for OpenWrite {
    fn drop(&mut self) {
        match (self.pin, self.unresolved) {
            (None, _) => {}
            _ if mutants::lives("position_before_commit") => {}
            (Some(_), true) => drop(self.abandon()),
            (Some(pin), false) => self.current.wrote(&self.clock, pin),
        }
    }
}
