//! One node as configured: its role, where it is and how it takes part.

mod text;

use super::url::{Endpoint, NodeUrl, Own};
use crate::vocabulary::Role;

/// One node of the topology as its owner wants it; also what `replace_nodes` takes.
///
/// The URL may carry our own parameters, `?name=&weight=&zone=&tags=`; they are taken off before a driver sees it.
///
/// ```
/// use sealane::NodeConfig;
///
/// let primary = NodeConfig::primary("postgres://app:secret@db1:5432/app")?;
/// let replica = primary.replica_like("db2?weight=3&zone=eu-west-1a")?.with_name("second");
/// assert_eq!(replica.url.to_string(), "postgres://app:***@db2:5432/app");
/// assert_eq!(replica.weight, 3);
/// # Ok::<(), sealane::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeConfig {
    role: Role,
    /// Whether the node stands in the list of replicas, whatever role it is found in.
    of_replicas: bool,
    /// Where the node is and who connects to it.
    pub url: NodeUrl,
    /// The label in metrics, logs and errors; without one the node is called by its server: the host,
    /// with the port where it is not the usual one, or the file.
    pub name: Option<String>,
    /// The share of reads, 0 to 1000, relative to the other nodes. Default: 1 for a replica, since equal shares
    /// fit equal machines; 0, which is none, for the primary.
    pub weight: u32,
    /// Where the node stands, for readers that prefer a zone.
    pub zone: Option<String>,
    /// What the node is meant for, for readers that prefer a tag: at most 16. Default: none.
    pub tags: Vec<String>,
}

/// A replica's share unless it says otherwise.
const REPLICA_WEIGHT: u32 = 1;
/// Behind the name of a SQLite file, whose readers are a node of their own.
pub(crate) const READERS: &str = " (readers)";
/// The primary serves no balanced reads unless it is told to.
const PRIMARY_WEIGHT: u32 = 0;

impl NodeConfig {
    /// The configured role, [`Role::Primary`] or [`Role::Replica`]; [`Role::Unknown`] where it is found out by asking.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// This node under this label.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// This node with this share of the reads, 0 to 1000.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// This node in this zone.
    #[must_use]
    pub fn with_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// This node with these tags, in the place of those that it had.
    ///
    /// ```
    /// # use sealane::NodeConfig;
    /// let replica = NodeConfig::replica("postgres://app@db2/app")?.with_tags(["reports", "search"]);
    /// assert_eq!(replica, NodeConfig::replica("postgres://app@db2/app?tags=reports,search")?);
    /// # Ok::<(), sealane::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.url.endpoint()
    }

    pub(super) fn of_primary(url: NodeUrl, own: Own) -> Self {
        Self {
            role: Role::Primary,
            of_replicas: false,
            url,
            name: own.name,
            weight: own.weight.unwrap_or(PRIMARY_WEIGHT),
            zone: own.zone,
            tags: own.tags,
        }
    }

    pub(super) fn of_replica(url: NodeUrl, own: Own) -> Self {
        Self {
            role: Role::Replica,
            of_replicas: true,
            url,
            name: own.name,
            weight: own.weight.unwrap_or(REPLICA_WEIGHT),
            zone: own.zone,
            tags: own.tags,
        }
    }

    /// Whether the node stands in the list of replicas, whatever role it is found in.
    pub(crate) fn is_of_replicas(&self) -> bool {
        self.of_replicas
    }

    /// This node as one that the primary's URL names.
    pub(super) fn of_primary_url(self) -> Self {
        Self {
            of_replicas: false,
            ..self
        }
    }

    /// The node's configuration as one of this role connects to it.
    pub(crate) fn as_role(&self, role: Role) -> Self {
        Self {
            role,
            ..self.clone()
        }
    }

    /// The readers of a SQLite primary: the same file under another role.
    #[cfg(feature = "sqlite")]
    pub(crate) fn reader(&self) -> Self {
        Self {
            role: Role::Replica,
            of_replicas: false,
            url: self.url.clone(),
            name: self.name.as_ref().map(|name| format!("{name}{READERS}")),
            weight: REPLICA_WEIGHT,
            zone: self.zone.clone(),
            tags: self.tags.clone(),
        }
    }

    /// Stands where the primary's URL could not be read, until the problems are reported.
    pub(super) fn nowhere() -> Self {
        Self::of_primary(NodeUrl::nowhere(), Own::default())
    }
}
