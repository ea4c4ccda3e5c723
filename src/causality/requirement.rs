//! What a read needs of the node that serves it.

/// As the session stood when the read arrived (rule C5): what it writes later does not concern it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadRequirement {
    /// Nothing was written.
    Nothing,
    /// A node that is known to have come as far as this, in the epoch with this ordinal.
    Position {
        /// The epoch's ordinal in the clock.
        epoch: u64,
        /// The position in it.
        lsn: u64,
    },
    /// The primary: what was written is not covered by a capture yet, or nobody knows whether it was written.
    Primary,
}

impl ReadRequirement {
    /// A requirement that meets both. A position of a later epoch contains what survived of an earlier one, and the
    /// rest is
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Primary, _) | (_, Self::Primary) => Self::Primary,
            (Self::Nothing, need) | (need, Self::Nothing) => need,
            (
                Self::Position { epoch, lsn },
                Self::Position {
                    epoch: other_epoch,
                    lsn: other_lsn,
                },
            ) => {
                let (epoch, lsn) = (epoch, lsn).max((other_epoch, other_lsn));
                Self::Position { epoch, lsn }
            }
        }
    }

    /// The position that is needed; 0 where none is, or none is known.
    pub(crate) fn lsn(self) -> u64 {
        match self {
            Self::Position { lsn, .. } => lsn,
            Self::Nothing | Self::Primary => 0,
        }
    }
}
