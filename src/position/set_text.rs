//! A set of transactions as text, for a cookie, a header or a job's payload: `1s`, then for each server `s` and its identifier,
//! for each of its tags `t` and that, and for each run its first number and, behind an `x`, its last one, in hexadecimal; all
//! between dots. As with the other kinds each value has exactly one text.

use std::fmt::Write as _;

use super::{NotAPosition, gtid_set::GtidSet, text::hex};

const KIND: &str = "1s";

/// The longest text. Browsers drop a cookie of more than 4 KiB, with its name and all that is said of it.
const LONGEST: usize = 3 * 1024;

impl GtidSet {
    /// The text, unless that would be too long.
    pub(crate) fn as_mark(&self) -> Option<String> {
        let mut text = KIND.to_owned();
        let mut last = None;
        for (server, tag, runs) in self.parts() {
            if last != Some(server) {
                write!(text, ".s{server:032x}").ok()?;
            }
            last = Some(server);
            if !tag.is_empty() {
                // In a tag only small letters stand.
                write!(text, ".t{}", tag.replace('_', "U")).ok()?;
            }
            for (first, last) in runs {
                match first == last {
                    true => write!(text, ".{first:x}").ok()?,
                    false => write!(text, ".{first:x}x{last:x}").ok()?,
                }
            }
            if text.len() > LONGEST {
                return None;
            }
        }
        Some(text)
    }

    /// Whether a text says that it is one of a set.
    pub(crate) fn is_mark(text: &str) -> bool {
        let rest = text.strip_prefix(KIND);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Reads it.
    pub(crate) fn of_mark(text: &str) -> Result<Self, NotAPosition> {
        let (length, most) = (text.len(), LONGEST);
        if length > most {
            return Err(NotAPosition::Length { length, most });
        }
        let mut set = Self::default();
        let (mut server, mut tag) = (None, String::new());
        for word in text.split('.').skip(1) {
            if let Some(id) = word.strip_prefix('s') {
                let is_one = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
                let id = is_one.then(|| u128::from_str_radix(id, 16).ok());
                server = Some(id.flatten().ok_or(NotAPosition::Form)?);
                tag.clear();
            } else if let Some(named) = word.strip_prefix('t') {
                tag = named.replace('U', "_");
            } else {
                let (first, last) = word.split_once('x').unwrap_or((word, word));
                let run = hex(first).zip(hex(last));
                let (server, run) = server.zip(run).ok_or(NotAPosition::Form)?;
                set.take_in(server, &tag, run.0, run.1)
                    .ok_or(NotAPosition::Form)?;
            }
        }
        // One value has one text, and nothing is an empty part.
        match set.as_mark().as_deref() == Some(text) {
            true => Ok(set),
            false => Err(NotAPosition::Form),
        }
    }
}
