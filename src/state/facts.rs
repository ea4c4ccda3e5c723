//! What servers tell, and what it is worth where they tell nothing.

/// Something that only the server can tell.
///
/// "Nobody asked" and "asked, and it could not tell" are different: what was never checked excludes no node, what was
/// checked and is not known does (R1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact<T> {
    #[default]
    NotChecked,
    Unknown,
    Known(T),
}

impl<T: Copy> Fact<T> {
    /// What is known.
    pub(crate) fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotChecked | Self::Unknown => None,
        }
    }

    /// Takes over what was asked for.
    pub(super) fn learn(&mut self, new: Self) {
        match new {
            Self::NotChecked => {}
            Self::Unknown | Self::Known(_) => *self = new,
        }
    }
}

/// What a server does not tell for want of a right of the role, what costs least first.
#[cfg_attr(
    not(all(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "each system withholds something else")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Withheld {
    /// Whether a server is set up to receive from another one.
    Replication,
    /// On which timeline a standby receives.
    Timeline,
    /// Whether a standby receives.
    Receiver,
    /// Whose server it is, or how far its log has come and on which timeline: roles stay as configured.
    Log,
}

/// What a standby has of a WAL receiver.
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "only PostgreSQL's standbys have one")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalReceiver {
    Absent,
    /// The receiver runs. The timeline that it shows is the one that it asks for, and nobody may have that.
    Started,
    /// The receiver runs, and the role may not see whether it has received anything.
    Hidden,
    /// The receiver has received some of its timeline.
    Fed,
}

impl WalReceiver {
    /// Whether the standby receives, or tries to.
    pub(crate) fn runs(self) -> bool {
        self != Self::Absent
    }
}
