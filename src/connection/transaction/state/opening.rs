//! How a transaction was opened, as far as its end depends on it.

use std::time::Instant;

use sea_orm::{AccessMode, IsolationLevel, TransactionOptions};

/// How a transaction was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BeginOptions {
    /// Declared read only, so that its end counts as no write.
    pub(super) read_only: bool,
    /// One snapshot, taken by the first statement, serves to the end.
    pub(super) one_snapshot: bool,
    /// Since when it may have been open.
    pub(super) since: Instant,
}

impl BeginOptions {
    pub(crate) fn of(options: &TransactionOptions, since: Instant) -> Self {
        Self {
            since,
            read_only: options.access_mode == Some(AccessMode::ReadOnly),
            one_snapshot: matches!(
                options.isolation_level,
                Some(IsolationLevel::RepeatableRead | IsolationLevel::Serializable)
            ),
        }
    }
}
