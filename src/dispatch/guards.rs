//! What is held for a statement on its way, beside the lease on its node: the write that it is.
//!
//! RAII guards: a caller who goes away in the midst leaves nothing open that nobody looks after.

use super::request::Request;
use crate::causality::{OpenWrite, gate::Writing};

/// What is held for a statement until it has come to its end.
#[derive(Default)]
pub(super) struct Guards {
    /// The write that it is.
    pub(super) write: Option<OpenWrite>,
    /// The passage through the gate of a transaction that may write.
    pub(super) writing: Option<Writing>,
}

impl Guards {
    /// Lets what `writes`, or `begins` a transaction that may write, through the gate, once; whether it is through. What
    /// goes through in doubt (a read that a replica refused) is let, as a write.
    #[inline]
    pub(super) fn pass_gate(&mut self, request: &Request<'_>, writes: bool, begins: bool) -> bool {
        let shared = request.shared;
        if writes && self.write.is_none() {
            let Some(writing) = shared.clock.gate.enter() else {
                return false;
            };
            self.write = Some(shared.tracker.open_write(&request.current, writing));
        }
        if begins && self.writing.is_none() {
            self.writing = shared.clock.gate.enter();
            return self.writing.is_some();
        }
        true
    }
}
