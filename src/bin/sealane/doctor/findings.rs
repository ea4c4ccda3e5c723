//! What is wrong, from what was seen. Pure: the same picture gives the same findings.

mod server;

use sealane::{Ineligible, NodeInspection, NodeStatus, Role, Topology};
use serde_json::{Value, json};

use super::heard::LogLine;

/// How the library's line on a node begins that is not to be used at all: another cluster, an old primary.
const FENCED: &str = "fenced: ";

/// How the library's lines on single attempts to connect begin.
const ATTEMPTS: [&str; 3] = [
    "no connection to this node could be opened",
    "no primary answers yet",
    "this replica gives no connection yet",
];

/// How the library's line begins that comes of a primary that gives no connection, where there is none.
const CATALOG: &str = "the server's catalog could not be read";

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
pub(super) struct Picture {
    pub(super) topology: Topology,
    pub(super) nodes: Vec<NodeInspection>,
    /// What the nodes told before, asked on other connections.
    pub(super) earlier: Vec<NodeInspection>,
    pub(super) lines: Vec<LogLine>,
}

impl Picture {
    pub(super) fn told(&self, node: &NodeStatus) -> Option<&NodeInspection> {
        self.nodes.iter().find(|told| told.id == node.id)
    }

    /// The one server that has answered under this node's name; nothing where there were several, or none.
    fn server(&self, node: &NodeStatus) -> Option<&str> {
        let told = self.nodes.iter().chain(&self.earlier);
        let mut told = told
            .filter(|told| told.id == node.id)
            .filter_map(|told| told.details.as_ref()?.identity.as_deref());
        let first = told.next()?;
        told.all(|other| other == first).then_some(first)
    }
}

/// What the library said. Lines about one attempt to connect are left out: the nodes were asked, and say it better.
pub(super) fn of_lines(lines: Vec<LogLine>) -> Vec<Finding> {
    let is_attempt = |line: &LogLine| {
        ATTEMPTS
            .iter()
            .any(|attempt| line.text.starts_with(attempt))
    };
    let lines = lines.into_iter().filter(|line| !is_attempt(line));
    lines
        .map(|line| Finding {
            level: match line.is_error || line.text.starts_with(FENCED) {
                true => Level::Error,
                false => Level::Warning,
            },
            node: line.node,
            text: match line.cause {
                Some(cause) => format!("{}: {cause}", line.text),
                None => line.text,
            },
        })
        .collect()
}

/// Everything that is to be said, the worst first.
pub(super) fn of(picture: &Picture) -> Vec<Finding> {
    let is_silent = |name: &str| {
        let mut nodes = picture
            .topology
            .nodes
            .iter()
            .filter(|node| node.name == name);
        nodes.any(|node| error_of(node, picture.told(node)).is_some())
    };
    let mut lines = picture.lines.clone();
    // That it gives no connection is said once.
    lines.retain(|line| line.is_error || !line.node.as_deref().is_some_and(is_silent));
    let is_primary = |node: &NodeStatus| node.role == Role::Primary && !is_silent(&node.name);
    let answers = picture.topology.nodes.iter().any(is_primary);
    lines.retain(|line| answers || !line.text.starts_with(CATALOG));
    let mut findings = of_lines(lines);
    of_cluster(&picture.topology, is_silent, &mut findings);
    for node in &picture.topology.nodes {
        of_node(node, picture.told(node), &mut findings);
    }
    of_names(picture, &mut findings);
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
        server::of(node, details, may_open, &mut say);
    }
}

/// One server under two names: each name gets a node's share of the reads.
fn of_names(picture: &Picture, findings: &mut Vec<Finding>) {
    let nodes = &picture.topology.nodes;
    for (index, node) in nodes.iter().enumerate() {
        let Some(server) = picture.server(node) else {
            continue;
        };
        let mut earlier = nodes[..index].iter();
        let Some(first) = earlier.find(|first| picture.server(first) == Some(server)) else {
            continue;
        };
        findings.push(Finding {
            level: Level::Warning,
            node: Some(node.name.clone()),
            text: format!(
                "is the same server as `{}`, which gets the connections and the reads of two then: leave one of the two names out",
                first.name
            ),
        });
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
