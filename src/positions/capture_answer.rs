//! What comes of a capture, whichever system its primary is of.

use crate::causality::PrimaryPlace;

/// What a primary says of its position.
pub(super) enum CaptureAnswer {
    Place(PrimaryPlace),
    /// Why there is none, for good, and what may help.
    #[cfg_attr(
        not(feature = "mysql"),
        allow(dead_code, reason = "PostgreSQL's say it by an error")
    )]
    Nothing(String),
}
