//! Parts of messages that several errors have.

use std::time::Duration;

use crate::vocabulary::Stage;

/// A node by its name and where it is.
pub(super) fn node(name: &str, address: &str) -> String {
    match address.is_empty() || address == name {
        true => format!("`{name}`"),
        false => format!("`{name}` ({address})"),
    }
}

/// Nodes by their names.
pub(super) fn list(names: &[String]) -> String {
    format!("`{}`", names.join("`, `"))
}

/// How long something was waited for, and the setting that bounds that.
pub(super) fn after(waited: &Duration, limit: Option<&str>) -> String {
    match (rounded(waited), limit) {
        (waited, Some(limit)) => format!(" after {waited} ({limit})"),
        (waited, None) if waited == "0ns" => String::new(),
        (waited, None) => format!(" after {waited}"),
    }
}

/// A time in whole milliseconds: nobody reads nanoseconds.
pub(super) fn rounded(time: &Duration) -> String {
    let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    format!("{:?}", Duration::from_millis(whole))
}

/// What was under way at a stage.
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Route => "while choosing a node",
        Stage::Acquire => "while waiting for a connection",
        Stage::Send => "while the statement ran",
        Stage::Commit => "during COMMIT",
    }
}

/// Why nothing more goes to a node, and what ran there was ended.
pub(crate) const GIVEN_UP: &str = "another node is the primary now or claims to be, the name leads to another server, the node no longer \
    answers, or it was removed and SEALANE_DRAIN_TIMEOUT is over";

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

/// The setting that ended a wait, in front of what was found then.
pub(super) fn in_time(limit: Option<&str>) -> String {
    limit.map_or_else(String::new, |limit| format!("within {limit}, "))
}

/// One after the other.
pub(super) fn parts<T: ToString>(parts: &[T]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    parts.join("; ")
}

/// Behind something else, one after the other.
pub(super) fn further<T: ToString>(parts: &[T]) -> String {
    parts
        .iter()
        .map(|part| format!("; {}", part.to_string()))
        .collect()
}

/// A text in front of another one, where there is one.
pub(super) fn before(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("{text}; "),
    }
}

/// Which replicas have replayed what was written, or that nobody has told how far that is.
pub(super) fn reached(nodes: Option<&[String]>) -> String {
    match nodes {
        None => "the primary has not told its position".to_owned(),
        Some([]) => "none".to_owned(),
        Some(nodes) => nodes.join(", "),
    }
}

/// A bookmark of another cluster.
pub(super) const OTHER_CLUSTER: &str = "the bookmark is of another cluster than the one this handle is connected to: \
    use each cluster's bookmarks with its own handle";

/// A bookmark of an epoch that no node shows.
pub(super) fn epoch_not_seen(timeline: u32, waited: &Duration) -> String {
    format!(
        "the bookmark is of timeline {timeline}, which no node shows yet, and not every node answered within {}; \
         the statement was not sent: repeat it, or read without the bookmark",
        rounded(waited)
    )
}

/// Nodes that have not come far enough in time.
pub(super) fn not_caught_up(nodes: &[String], after: &str, sent: bool) -> String {
    let (nodes, are) = match nodes {
        [] => ("no replica".to_owned(), "is"),
        [_] => (list(nodes), "is not"),
        _ => (list(nodes), "are not"),
    };
    format!(
        "{nodes} {are} known to have replayed what this session has to see{after}; {}: repeat it, or read from primary() while \
         there is one",
        unsent(sent)
    )
}
