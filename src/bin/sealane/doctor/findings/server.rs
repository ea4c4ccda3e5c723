//! What is wrong with one server, by what it tells of itself.

use sealane::{NodeStatus, ServerDetails};

use super::Level;

/// What sealane itself has open at a server beside its pools, at most (docs/connections.md).
const OWN_CONNECTIONS: u64 = 5;

/// From here on a clock is worth a word. What differs less may be the way of the answer.
const CLOCK_MS: u64 = 1_000;

/// The limits of a server, the way to it, and its clock.
pub(super) fn of(
    node: &NodeStatus,
    details: &ServerDetails,
    may_open: u64,
    say: &mut impl FnMut(Level, String),
) {
    of_limits(details, may_open + OWN_CONNECTIONS, say);
    if details.encrypted == Some(false) && !is_here(&node.host) {
        say(
            Level::Note,
            "what is sent there is not encrypted: add ?sslmode=require (PostgreSQL) or ?ssl-mode=REQUIRED (MariaDB, MySQL) \
             to its URL, unless the network is yours"
                .to_owned(),
        );
    }
    let off = details
        .clock_ahead_ms
        .filter(|ahead| ahead.unsigned_abs() > CLOCK_MS);
    if let Some(ahead) = off {
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        let ms = ahead.unsigned_abs();
        say(
            Level::Note,
            format!(
                "its clock is {ms} ms {side} this machine's: times of the two cannot be compared; set both by NTP"
            ),
        );
    }
}

/// Each limit that one process may meet by itself.
fn of_limits(details: &ServerDetails, most: u64, say: &mut impl FnMut(Level, String)) {
    let limits = [
        (
            details.max_connections,
            "to all of them",
            "the server's max_connections",
        ),
        (
            details.user_limit,
            "to its user",
            "the user's limit (ALTER ROLE … CONNECTION LIMIT, max_user_connections)",
        ),
        (
            details.database_limit,
            "to its database",
            "the database's limit (ALTER DATABASE … CONNECTION LIMIT)",
        ),
    ];
    for (admits, whom, what) in limits {
        let Some(admits) = admits.filter(|admits| *admits < most) else {
            continue;
        };
        say(
            Level::Warning,
            format!(
                "each process like this one may open {most} connections there, and the server admits {admits} {whom}: \
                 lower SEALANE_MAX_CONNECTIONS, or raise {what}"
            ),
        );
    }
}

/// Whether the way to this address leaves the machine; a path is a socket or a file.
fn is_here(host: &str) -> bool {
    let here = ["localhost:", "127.", "[::1]", "::1", "/"];
    host.is_empty() || host == "localhost" || here.iter().any(|start| host.starts_with(start))
}
