//! What a signal is called in metrics and events, which have coarser words.

use super::Signal;
use crate::vocabulary::{EjectionCause, FailureKind, RetryCause};

impl Signal {
    /// Why a statement that met this is sent again, as metrics say it.
    #[must_use]
    pub(crate) const fn cause(self) -> RetryCause {
        match self {
            Self::Refused => RetryCause::Connect,
            Self::AcquireTimeout | Self::Overloaded | Self::TimedOut => RetryCause::AcquireTimeout,
            Self::Disconnected | Self::SessionLost | Self::Cut => RetryCause::Lost,
            Self::RecoveryConflict { .. } => RetryCause::Conflict,
            Self::RefusedAsWrite { .. } | Self::ReadOnly => RetryCause::ReadOnly,
            Self::PoolClosed => RetryCause::Swapped,
            Self::Terminated
            | Self::SessionEnded
            | Self::Starting
            | Self::Recovering
            | Self::Stopping
            | Self::Rejected
            | Self::Serialization
            | Self::Cancelled
            | Self::Outdated
            | Self::Server
            | Self::Unsent
            | Self::Unread
            | Self::Unknown => RetryCause::Unavailable,
        }
    }

    /// The kind under which a statement that failed with this is counted.
    #[must_use]
    pub(crate) const fn failure_kind(self) -> FailureKind {
        match self {
            Self::Refused | Self::Starting | Self::Stopping | Self::Rejected | Self::PoolClosed => {
                FailureKind::Connect
            }
            Self::AcquireTimeout | Self::Overloaded => FailureKind::AcquireTimeout,
            Self::Terminated
            | Self::SessionEnded
            | Self::SessionLost
            | Self::Recovering
            | Self::Disconnected
            | Self::Cut => FailureKind::Lost,
            Self::RefusedAsWrite { .. } | Self::ReadOnly => FailureKind::ReadOnly,
            Self::RecoveryConflict { .. } => FailureKind::Conflict,
            Self::Serialization => FailureKind::Serialization,
            Self::Cancelled | Self::TimedOut => FailureKind::Cancelled,
            Self::Outdated | Self::Server => FailureKind::Statement,
            Self::Unsent | Self::Unread => FailureKind::Value,
            Self::Unknown => FailureKind::Unknown,
        }
    }

    /// The cause of an ejection: of a node that was found dead by this signal, as events say it.
    #[must_use]
    pub(crate) const fn ejection(self) -> EjectionCause {
        match self {
            Self::Refused => EjectionCause::Refused,
            Self::Disconnected => EjectionCause::Disconnected,
            Self::TimedOut => EjectionCause::TimedOut,
            Self::Starting => EjectionCause::Starting,
            Self::Recovering => EjectionCause::Recovering,
            Self::Stopping => EjectionCause::Stopping,
            Self::Terminated | Self::SessionEnded | Self::SessionLost => EjectionCause::Terminated,
            Self::Rejected => EjectionCause::Rejected,
            Self::Overloaded | Self::AcquireTimeout => EjectionCause::Overloaded,
            Self::RefusedAsWrite { .. }
            | Self::ReadOnly
            | Self::PoolClosed
            | Self::RecoveryConflict { .. }
            | Self::Serialization
            | Self::Cancelled
            | Self::Outdated
            | Self::Server
            | Self::Unsent
            | Self::Unread
            | Self::Cut
            | Self::Unknown => EjectionCause::Other,
        }
    }
}
