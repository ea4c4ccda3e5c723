//! A session's position outside of this process.

use std::{fmt, str::FromStr, sync::Arc};

use super::{GtidSet, NotAPosition, Position};

/// What a session wrote and saw, as an opaque text: for a cookie, a header or a job's payload.
///
/// Whoever reads with it, in this process or another, sees at least that. It is made by
/// [`RoutedConnection::bookmark`](crate::RoutedConnection::bookmark) and read by
/// [`session_from`](crate::RoutedConnection::session_from). Its text has at most 128 bytes, on MySQL 3 KiB, all of them letters,
/// digits and dots; the default is the bookmark of a session that wrote nothing. A bookmark is no secret and no proof: one that
/// a client made up costs at most one question to the primary, and may keep that client's own reads there.
///
/// ```
/// use sealane::Bookmark;
///
/// let bookmark: Bookmark = "1p.65f8c1d2a3b4.1.3000148".parse()?;
/// assert_eq!(bookmark.to_string(), "1p.65f8c1d2a3b4.1.3000148");
/// assert!(Bookmark::default().is_empty());
/// assert!("yesterday".parse::<Bookmark>().is_err());
/// # Ok::<(), sealane::ParseBookmarkError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bookmark(pub(crate) Asks);

/// What a bookmark asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Asks {
    #[default]
    Nothing,
    At(Position),
    /// All of these transactions. They name no cluster: in another one nobody has them.
    Executed(Arc<GtidSet>),
    /// Something whose position nobody could tell in time: whoever brings it sees what the primary has by then, and
    /// before this time, in seconds since 1970, reads nowhere else, because what is unresolved may be executed
    /// until then. It names no cluster: what it asks for is never wrong.
    Primary {
        until: u64,
    },
}

/// The text of the bookmark that asks for nothing.
const EMPTY: &str = "1n";

/// The kind of one that asks for the primary.
const PRIMARY: &str = "1u";

impl Bookmark {
    /// Whether the bookmark asks for nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, Asks::Nothing)
    }

    /// What sees both; nothing where they are of different clusters or primaryships, because positions of two of those
    /// have no common maximum: let a session [`observe`](crate::RoutedConnection::observe) both instead.
    #[must_use]
    pub fn merge(self, other: Self) -> Option<Self> {
        match (self.0, other.0) {
            (Asks::Nothing, other) | (other, Asks::Nothing) => Some(Self(other)),
            (Asks::At(one), Asks::At(two)) => one.merge(two).map(|both| Self(Asks::At(both))),
            (Asks::Executed(one), Asks::Executed(two)) => {
                let mut both = GtidSet::clone(&one);
                both.add(&two);
                Some(Self(Asks::executed(both)))
            }
            (Asks::At(_), Asks::Executed(_)) | (Asks::Executed(_), Asks::At(_)) => None,
            (Asks::Primary { until }, Asks::Primary { until: other }) => {
                let until = until.max(other);
                Some(Self(Asks::Primary { until }))
            }
            // What the primary has by then is beyond every position that was told.
            (mark @ Asks::Primary { .. }, _) | (_, mark) => Some(Self(mark)),
        }
    }
}

impl Asks {
    /// What asks for these transactions; where their text would be too long, for all that the primary has when it comes.
    pub(crate) fn executed(set: GtidSet) -> Self {
        match set.as_mark().is_some() {
            true => Self::Executed(Arc::new(set)),
            false => Self::Primary { until: 0 },
        }
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Asks::At(position) => position.fmt(f),
            Asks::Executed(set) => f.write_str(&set.as_mark().unwrap_or_default()),
            Asks::Primary { until } => write!(f, "{PRIMARY}.{until:x}"),
            Asks::Nothing => f.write_str(EMPTY),
        }
    }
}

/// Why a text is no bookmark. It never repeats the text, which came from outside.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ParseBookmarkError(NotAPosition);

/// The text, as a `main` that returns it prints it.
impl fmt::Debug for ParseBookmarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Bookmark {
    type Err = ParseBookmarkError;

    fn from_str(text: &str) -> Result<Self, ParseBookmarkError> {
        if text == EMPTY {
            return Ok(Self(Asks::Nothing));
        }
        if let Some(until) = text
            .strip_prefix(PRIMARY)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            let until = super::text::hex(until).ok_or(ParseBookmarkError(NotAPosition::Form))?;
            return Ok(Self(Asks::Primary { until }));
        }
        if GtidSet::is_mark(text) {
            let set = GtidSet::of_mark(text).map_err(ParseBookmarkError)?;
            return Ok(Self(Asks::Executed(Arc::new(set))));
        }
        text.parse()
            .map(|position| Self(Asks::At(position)))
            .map_err(ParseBookmarkError)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Bookmark {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Bookmark {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
