//! How many statements stand in line at a node, for telemetry: its semaphore does not tell.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Node;

/// One that stands in line, until this is dropped.
pub(crate) struct InLine<'a>(&'a AtomicU32);

impl Node {
    /// Counts one that stands in line here.
    pub(crate) fn stand_in_line(&self) -> InLine<'_> {
        self.in_line.fetch_add(1, Ordering::Relaxed);
        InLine(&self.in_line)
    }

    /// How many stand in line here.
    pub(crate) fn in_line(&self) -> u32 {
        self.in_line.load(Ordering::Relaxed)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
