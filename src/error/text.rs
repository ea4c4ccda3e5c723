//! Parts of messages that several errors have.

use std::time::Duration;

/// A node by its name and where it is.
pub(super) fn node(name: &str, place: &str) -> String {
    match place.is_empty() || place == name {
        true => format!("`{name}`"),
        false => format!("`{name}` ({place})"),
    }
}

/// Nodes by their names.
pub(super) fn list(names: &[String]) -> String {
    format!("`{}`", names.join("`, `"))
}

/// How long something was waited for, and the setting that bounds that.
pub(super) fn after(waited: &Duration, limit: Option<&str>) -> String {
    let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    match limit {
        Some(limit) => format!(" after {waited:?} ({limit})"),
        None if waited.is_zero() => String::new(),
        None => format!(" after {waited:?}"),
    }
}

/// The setting that ended a wait.
pub(super) fn within(limit: Option<&str>) -> String {
    limit.map_or_else(String::new, |limit| format!(" within {limit}"))
}

/// What became of a statement that has no node left: whoever looks for it at a server must know that one may have had it.
pub(super) const fn unsent(sent: bool) -> &'static str {
    match sent {
        true => "the statement was not executed",
        false => "the statement was not sent",
    }
}
