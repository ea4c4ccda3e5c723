//! Where nobody can look at the sockets of a process.

use super::listed::Listed;

/// The sockets of one pool; nobody can look at them here.
#[derive(Debug, Default)]
pub(crate) struct Sockets;

impl Sockets {
    /// Whether the other side may have closed a connection of the pool.
    pub(crate) fn may_have_ended(&self, _: bool, _: impl FnOnce() -> Option<Listed>) -> bool {
        false
    }

    /// Whether a connection may be one that was found to have ended.
    pub(crate) fn has_open_ended(&self) -> bool {
        false
    }

    /// A connection to this port was opened.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only PostgreSQL's tell it")
    )]
    pub(crate) fn opened(&self, _: Option<u16>) {}
}
