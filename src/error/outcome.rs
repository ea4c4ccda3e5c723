//! What each error says of the work that failed.

use super::Error;
use crate::vocabulary::Outcome;

impl Error {
    /// What is known of the statement (or, for the errors of transactions and streams, of all of it).
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::UnknownOutcome { .. }
            | Self::ServerCrashed { .. }
            | Self::CutOff { .. }
            | Self::PositionLost => Outcome::Unknown,
            Self::StreamLost { .. }
            | Self::TooFewReplicas { .. }
            | Self::PositionUntold { .. }
            | Self::NotReplicated { .. }
            | Self::NoPosition => Outcome::Executed,
            Self::Config(_)
            | Self::Start { .. }
            | Self::PrimaryInRecovery { .. }
            | Self::CannotStart { .. }
            | Self::Disconnected
            | Self::NoPrimary { .. }
            | Self::NoReplica { .. }
            | Self::NotARead { .. }
            | Self::OnlyReads { .. }
            | Self::LocalSetting { .. }
            | Self::Unavailable { .. }
            | Self::NotCaughtUp { .. }
            | Self::OtherCluster
            | Self::EpochNotSeen { .. }
            | Self::TransactionLost { .. }
            | Self::GivenUp { .. }
            | Self::KeptBack { .. }
            | Self::TransactionPoisoned
            | Self::CommitAborted { .. }
            | Self::StillWriting { .. }
            | Self::Topology { .. } => Outcome::NotExecuted,
        }
    }

    /// Whether the same work may succeed when it is begun again, and beginning it again can do nothing twice.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::NoPrimary { .. }
            | Self::NoReplica { .. }
            | Self::Unavailable { .. }
            | Self::NotCaughtUp { .. }
            | Self::EpochNotSeen { .. }
            | Self::StillWriting { .. }
            | Self::TransactionLost { .. }
            | Self::GivenUp { .. }
            | Self::KeptBack { .. }
            | Self::StreamLost { .. } => true,
            Self::Config(_)
            | Self::Start { .. }
            | Self::PrimaryInRecovery { .. }
            | Self::CannotStart { .. }
            | Self::Disconnected
            | Self::NotARead { .. }
            | Self::OnlyReads { .. }
            | Self::LocalSetting { .. }
            | Self::OtherCluster
            | Self::NoPosition
            | Self::NotReplicated { .. }
            | Self::PositionUntold { .. }
            | Self::TooFewReplicas { .. }
            | Self::PositionLost
            | Self::UnknownOutcome { .. }
            | Self::ServerCrashed { .. }
            | Self::CutOff { .. }
            | Self::TransactionPoisoned
            | Self::CommitAborted { .. }
            | Self::Topology { .. } => false,
        }
    }
}
