//! What is wrong, from what was seen. Pure: the same picture gives the same findings.

use sealane::{Ineligible, NodeInspection, NodeStatus, Role, ServerDetails, Topology};
use serde_json::{Value, json};

use super::heard::Line;

/// What sealane itself has open at a server beside its pools, at most (docs/connections.md).
const OWN_CONNECTIONS: u64 = 5;

/// From here on a clock is worth a word. What differs less may be the way of the answer.
const CLOCK_MS: u64 = 1_000;

/// How the library's line on a node begins that is not to be used at all: another cluster, an old primary.
const FENCED: &str = "fenced: ";

/// How bad a finding is, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Good to know.
    Note,
    /// The application works, and something wants a look.
    Warning,
    /// The application does not work, or not as configured.
    Error,
}

impl Level {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) node: Option<String>,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn to_json(&self) -> Value {
        json!({ "level": self.level.as_str(), "node": self.node, "text": self.text })
    }
}

/// What was seen of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) topology: Topology,
    pub(super) nodes: Vec<NodeInspection>,
    pub(super) lines: Vec<Line>,
}

impl Seen {
    pub(super) fn told(&self, node: &NodeStatus) -> Option<&NodeInspection> {
        self.nodes.iter().find(|told| told.id == node.id)
    }
}

/// What the library said. Lines about one attempt to connect are left out: the nodes were asked, and say it better.
pub(super) fn of_lines(lines: Vec<Line>) -> Vec<Finding> {
    let lines = lines.into_iter().filter(|line| line.cause.is_none());
    lines
        .map(|line| Finding {
            level: match line.is_error || line.text.starts_with(FENCED) {
                true => Level::Error,
                false => Level::Warning,
            },
            node: line.node,
            text: line.text,
        })
        .collect()
}

/// Everything that is to be said, the worst first.
pub(super) fn of(seen: &Seen) -> Vec<Finding> {
    let is_silent = |name: &str| {
        let mut nodes = seen.topology.nodes.iter().filter(|node| node.name == name);
        nodes.any(|node| error_of(node, seen.told(node)).is_some())
    };
    let mut lines = seen.lines.clone();
    // That it gives no connection is said once.
    lines.retain(|line| line.is_error || !line.node.as_deref().is_some_and(is_silent));
    let mut findings = of_lines(lines);
    of_cluster(&seen.topology, is_silent, &mut findings);
    for node in &seen.topology.nodes {
        of_node(node, seen.told(node), &mut findings);
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

fn of_cluster(topology: &Topology, is_silent: impl Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let mut say = |level, text: &str| {
        findings.push(Finding {
            level,
            node: None,
            text: text.to_owned(),
        });
    };
    let is_primary = |node: &NodeStatus| node.role == Role::Primary;
    let takes_writes = |node: &NodeStatus| is_primary(node) && !is_silent(&node.name);
    if !topology.nodes.iter().any(takes_writes) {
        say(
            Level::Error,
            "no primary answers: writes wait for one for SEALANE_FAILOVER_TIMEOUT, then they fail; the lines on the nodes say why, and \
             what to mend; promote a replica only if the primary is surely gone",
        );
    }
    let mut others = topology.nodes.iter().filter(|node| !is_primary(node));
    if topology.nodes.len() < 2 {
        say(
            Level::Note,
            "no replica is configured, so everything goes to the primary; name replicas in DATABASE_REPLICA_URLS",
        );
    } else if others.all(|node| node.ineligible.is_some()) {
        say(
            Level::Warning,
            "no replica serves reads, so the primary serves all of them; the lines on the replicas say why",
        );
    }
}

fn of_node(node: &NodeStatus, told: Option<&NodeInspection>, findings: &mut Vec<Finding>) {
    let mut say = |level, text: String| {
        findings.push(Finding {
            level,
            node: Some(node.name.clone()),
            text,
        });
    };
    let error = error_of(node, told).filter(|_| !is_kept_out(node));
    if let Some(error) = error {
        say(Level::Error, format!("gives no connection: {error}"));
    }
    match node.ineligible {
        // A node that gives no connection is none, and why a node is fenced the log has said.
        Some(Ineligible::Fenced | Ineligible::Primary) | None => {}
        Some(_) if error.is_some() => {}
        Some(why @ Ineligible::NoWeight) => say(Level::Note, unused(why)),
        Some(why) => say(Level::Warning, unused(why)),
    }
    if let Some(details) = told.and_then(|told| told.details.as_ref()) {
        let may_open = told.map_or(0, |told| u64::from(told.may_open));
        of_server(node, details, may_open, &mut say);
    }
}

/// Reads are kept from it for what it is, so that no connection is opened: that is the finding.
fn is_kept_out(node: &NodeStatus) -> bool {
    matches!(
        node.ineligible,
        Some(
            Ineligible::OlderEpoch
                | Ineligible::OtherCluster
                | Ineligible::AheadOfThePrimary
                | Ineligible::NotReceiving
                | Ineligible::EpochUntold
        )
    )
}

/// Why it gives no connection. One that is fenced was not asked for any, and the log says why it is fenced.
fn error_of<'t>(node: &NodeStatus, told: Option<&'t NodeInspection>) -> Option<&'t str> {
    let told = told.filter(|_| node.role != Role::Fenced);
    told?.error.as_deref()
}

fn unused(why: Ineligible) -> String {
    format!("serves no reads: {why}; {}", why.advice())
}

fn of_server(
    node: &NodeStatus,
    details: &ServerDetails,
    may_open: u64,
    say: &mut impl FnMut(Level, String),
) {
    let most = may_open + OWN_CONNECTIONS;
    if let Some(admits) = details.max_connections.filter(|admits| *admits < most) {
        say(
            Level::Warning,
            format!(
                "each process like this one may open {most} connections there, and the server admits {admits} to all of them: \
                 lower SEALANE_MAX_CONNECTIONS, or raise the server's max_connections"
            ),
        );
    }
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

/// Whether the way to this address leaves the machine; a path is a socket or a file.
fn is_here(host: &str) -> bool {
    let here = ["localhost", "127.", "[::1]", "::1", "/"];
    host.is_empty() || here.iter().any(|start| host.starts_with(start))
}
