//! A position as text, for a cookie, a header or a job's payload: `1p.<cluster>.<timeline>.<lsn>`, and where there are no
//! timelines `1g.<domain>.<sequence number>`, all in hexadecimal.
//!
//! The first character is the version of the form and the second the kind of place, so that later forms can stand beside
//! it and an old reader refuses them by name. Each value has exactly one text: what would be read as
//! the same value but is written differently (leading zeros, capitals, a sign) is refused, so a text can be compared
//! as a text. At most 43 bytes.

use std::fmt;
use std::str::FromStr;

use super::{ClusterId, Epoch, Lsn, Position};

const KIND: &str = "1p";

/// The kind of one in an epoch without timeline.
const GTID: &str = "1g";

/// The longest text that is looked at.
const LONGEST: usize = 128;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Epoch { cluster, timeline } = self.epoch;
        match timeline {
            Epoch::WITHOUT_TIMELINE => write!(f, "{GTID}.{:x}.{:x}", cluster.0, self.lsn.0),
            timeline => write!(f, "{KIND}.{:x}.{timeline:x}.{:x}", cluster.0, self.lsn.0),
        }
    }
}

/// Why a text is no position. It never repeats the text, which came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NotAPosition {
    /// Another version or another kind.
    #[error(
        "the bookmark is of a kind that this version does not read (it reads `1p`, `1g` and `1s`): was it made by a newer version, or is it something else?"
    )]
    Kind,
    /// Not the four parts, or a part that is no number.
    #[error(
        "the bookmark is damaged: pass on the text of Bookmark::to_string() whole and unchanged"
    )]
    Form,
    /// Longer than any.
    #[error("the bookmark is {length} bytes long, and none of its kind is longer than {most}")]
    Length {
        /// The text's length in bytes.
        length: usize,
        /// The longest one's.
        most: usize,
    },
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        if text.len() > LONGEST {
            let (length, most) = (text.len(), LONGEST);
            return Err(NotAPosition::Length { length, most });
        }
        let (kind, numbers) = text.split_once('.').ok_or(NotAPosition::Kind)?;
        let has_timeline = match kind {
            KIND => true,
            GTID => false,
            _ => return Err(NotAPosition::Kind),
        };
        let mut parts = numbers.split('.').map(hex);
        let mut next = || parts.next().flatten().ok_or(NotAPosition::Form);
        let cluster = next()?;
        let timeline = match has_timeline {
            true => Some(next()?).filter(|timeline| *timeline != 0),
            false => Some(u64::from(Epoch::WITHOUT_TIMELINE)),
        };
        let (timeline, lsn) = (timeline.ok_or(NotAPosition::Form)?, next()?);
        if parts.next().is_some() {
            return Err(NotAPosition::Form);
        }
        Ok(Self {
            epoch: Epoch {
                cluster: ClusterId(cluster),
                timeline: u32::try_from(timeline).map_err(|_| NotAPosition::Form)?,
            },
            lsn: Lsn(lsn),
        })
    }
}

/// A number as it is written above, and in no other way.
pub(super) fn hex(text: &str) -> Option<u64> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let canonical = text.bytes().all(digits) && (text == "0" || !text.starts_with('0'));
    canonical
        .then(|| u64::from_str_radix(text, 16).ok())
        .flatten()
}

impl FromStr for Lsn {
    type Err = NotAPosition;

    /// Reads PostgreSQL's own form, `16/B374D848`.
    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let half = |part: &str| {
            let fits = part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
            fits.then(|| u64::from_str_radix(part, 16).ok())
                .flatten()
                .ok_or(NotAPosition::Form)
        };
        let (high, low) = text.split_once('/').ok_or(NotAPosition::Form)?;
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}
