//! Nodes as they stood when something failed, and lists of nodes that cannot be used.

use std::{fmt, sync::Arc};

use crate::vocabulary::{FenceReason, Ineligible, Role};

/// Every node as it stood when something failed; as text one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SeenNodes {
    /// Which node was the primary last, where none is now.
    pub last_primary: Option<String>,
    /// The nodes in the order of their list.
    pub nodes: Vec<SeenNode>,
}

impl SeenNodes {
    pub(crate) fn new(last_primary: Option<&str>, nodes: Vec<SeenNode>) -> Self {
        Self {
            last_primary: last_primary.map(str::to_owned),
            nodes,
        }
    }
}

/// One node as it stood when something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SeenNode {
    /// The node's name.
    pub name: String,
    /// What the node may do.
    pub role: Role,
    /// Why it serves no balanced reads; `None` when it does.
    pub ineligible: Option<Ineligible>,
    /// Why it is not used although it answers; `None` unless its role is [`Fenced`](Role::Fenced).
    #[cfg_attr(feature = "serde", serde(default))]
    pub fenced: Option<FenceReason>,
    /// The node's host and port, or its file; empty where the application made the connection.
    pub host: String,
    /// The node's last answer, where it is in doubt for that.
    pub said: Option<String>,
}

impl SeenNode {
    pub(crate) fn new(name: &str, role: Role, ineligible: Option<Ineligible>) -> Self {
        Self {
            name: name.to_owned(),
            role,
            ineligible,
            fenced: None,
            host: String::new(),
            said: None,
        }
    }

    /// A node with the reason of its fence.
    pub(crate) fn fenced(self, fenced: Option<FenceReason>) -> Self {
        Self { fenced, ..self }
    }

    /// A node with its address, and its last answer if it is in doubt.
    pub(crate) fn at(self, host: String, said: Option<String>) -> Self {
        Self { host, said, ..self }
    }
}

impl fmt::Display for SeenNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match (self.role, &self.ineligible, &self.fenced) {
            (Role::Replica, None, _) => write!(f, "{name} is an eligible replica")?,
            (Role::Replica, Some(why), _) => write!(f, "{name} is a replica, {why}")?,
            // What it did when it answered last is over, as far as anybody knows.
            (Role::Fenced | Role::Unknown, Some(Ineligible::Ejected), _) => {
                write!(f, "{name} does not answer")?;
            }
            (Role::Fenced, _, Some(why)) => write!(f, "{name} is fenced: {why}")?,
            (Role::Unknown, ..) => write!(f, "{name} has no known role")?,
            (role @ (Role::Primary | Role::Fenced), ..) => write!(f, "{name} is {role}")?,
        }
        match &self.said {
            Some(said) => write!(f, " ({}: {said})", self.host),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SeenNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(name) = &self.last_primary {
            write!(f, "the last primary was {name}")?;
            separator = "; ";
        }
        for node in &self.nodes {
            write!(f, "{separator}{node}")?;
            separator = "; ";
        }
        let replaced = |node: &&SeenNode| {
            node.fenced == Some(FenceReason::OtherCluster)
                && self.last_primary.as_ref() == Some(&node.name)
        };
        match self.nodes.iter().find(replaced) {
            Some(node) => write!(
                f,
                "; where that cluster takes the place of the one before: cluster().force_primary({:?})",
                node.name
            ),
            None => Ok(()),
        }
    }
}

/// Why a list of nodes cannot be used: it has one primary, and no server and no name twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeListProblem {
    /// Nobody to write to.
    #[error("the list of nodes has no primary: give exactly one")]
    NoPrimary,
    /// Two to write to.
    #[error("the list of nodes has two primaries, `{first}` and `{second}`: give exactly one")]
    TwoPrimaries {
        /// The one that stands first.
        first: Arc<str>,
        /// The other one.
        second: Arc<str>,
    },
    /// One server twice.
    #[error(
        "`{first}` and `{second}` are the same node: list it once, and give it a weight for a greater share"
    )]
    SameNode {
        /// The name that stands first.
        first: Arc<str>,
        /// The other one.
        second: Arc<str>,
    },
    /// One name twice.
    #[error("two nodes are named `{name}`: names tell nodes apart in metrics and logs")]
    SameName {
        /// The name.
        name: Arc<str>,
    },
    /// A role that cannot be configured.
    #[error("node `{name}` is given the role {role}: configure it as primary or as replica")]
    Role {
        /// The node's name.
        name: Arc<str>,
        /// The role that it was given.
        role: Role,
    },
}
