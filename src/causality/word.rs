//! What an authority says of the epoch (rule T3): after a restore an earlier one counts again.

/// The primary that an authority named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) cluster: Option<u64>,
    pub(crate) timeline: u64,
    /// When its server was started, by which another handle knows it.
    pub(crate) started: Option<u64>,
}

/// What was said last, and how often something was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Word {
    pub(crate) number: u64,
    pub(crate) named: Named,
}
