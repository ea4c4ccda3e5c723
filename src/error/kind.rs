//! The word of an error, for whoever counts errors and does not read texts.

use super::Error;

impl Error {
    /// What went wrong in one word, which is the variant's name as metrics and traces write such things.
    ///
    /// ```
    /// assert_eq!(sealane::Error::TransactionPoisoned.kind(), "transaction_poisoned");
    /// ```
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Config(_) => "config",
            Self::Start { .. } => "start",
            Self::PrimaryInRecovery { .. } => "primary_in_recovery",
            Self::CannotStart { .. } => "cannot_start",
            Self::Disconnected => "disconnected",
            Self::NoPrimary { .. } => "no_primary",
            Self::NoReplica { .. } => "no_replica",
            Self::NotARead { .. } => "not_a_read",
            Self::OnlyReads { .. } => "only_reads",
            Self::LocalSetting { .. } => "local_setting",
            Self::Unavailable { .. } => "unavailable",
            Self::StillWriting { .. } => "still_writing",
            Self::NotCaughtUp { .. } => "not_caught_up",
            Self::OtherCluster => "other_cluster",
            Self::EpochNotSeen { .. } => "epoch_not_seen",
            Self::NoPosition => "no_position",
            Self::PositionUntold { .. } => "position_untold",
            Self::NotReplicated { .. } => "not_replicated",
            Self::TooFewReplicas { .. } => "too_few_replicas",
            Self::PositionLost => "position_lost",
            Self::UnknownOutcome { .. } => "unknown_outcome",
            Self::ServerCrashed { .. } => "server_crashed",
            Self::KeptBack { .. } => "kept_back",
            Self::TransactionLost { .. } => "transaction_lost",
            Self::StreamLost { .. } => "stream_lost",
            Self::CutOff { .. } => "cut_off",
            Self::GivenUp { .. } => "given_up",
            Self::TransactionPoisoned => "transaction_poisoned",
            Self::CommitAborted { .. } => "commit_aborted",
            Self::Topology { .. } => "topology",
        }
    }
}
