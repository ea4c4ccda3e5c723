//! Where a node's pool comes from: the configuration, or the application.

use std::{
    hash::{BuildHasher, Hasher},
    sync::{Arc, LazyLock},
};

use sea_orm::{DbBackend, DbErr};

use super::called::{self, Called};
use crate::{
    backend::{self, Facts, MonitorConnection},
    config::{Config, NodeConfig, READERS},
    node::{NodePool, Trouble, adopted::Adopted, door::Door, open},
    state::{Event, Moment, NodeSpec},
    vocabulary::{NodeId, Role},
};

/// A node's origin, from which its pool can be opened again and again.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) spec: NodeSpec,
    /// Of all of its pools.
    pub(crate) door: Arc<Door>,
    /// What opening a connection there failed with last.
    pub(crate) trouble: Arc<Trouble>,
    from: From,
}

#[derive(Clone, Debug)]
enum From {
    Configured(Box<NodeConfig>),
    Adopted(Adopted),
}

impl Source {
    /// The nodes that a configuration or a source names.
    pub(crate) fn all(nodes: impl IntoIterator<Item = NodeConfig>) -> Vec<Self> {
        let nodes: Vec<NodeConfig> = nodes.into_iter().collect();
        let called: Vec<Called> = nodes.iter().map(called).collect();
        let named = called::names(&called).into_iter().zip(nodes);
        named
            .map(|(name, node)| Self::configured(node, name))
            .collect()
    }

    fn configured(node: NodeConfig, name: String) -> Self {
        let spec = NodeSpec {
            name: name.into(),
            role: node.role(),
            weight: node.weight,
            zone: node.zone.as_deref().map(Arc::from),
            tags: node.tags.iter().map(|tag| Arc::from(&**tag)).collect(),
            endpoint: endpoint(&node).into(),
            settings: fingerprint(&node),
        };
        Self {
            spec,
            door: Arc::default(),
            trouble: Arc::default(),
            from: From::Configured(Box::new(node)),
        }
    }

    /// Connections that the application made, the primary first. Each is a node of its own, also one pool in both roles.
    pub(crate) fn all_adopted(connections: Vec<Adopted>) -> Vec<Self> {
        let called = connections
            .iter()
            .map(|one| called::adopted(&one.connection));
        let called: Vec<Called> = called.collect();
        let named = called::names(&called).into_iter().zip(connections);
        let roles = std::iter::once(Role::Primary).chain(std::iter::repeat(Role::Replica));
        named
            .zip(roles)
            .map(|((name, connection), role)| Self::adopted(connection, role, &name))
            .collect()
    }

    fn adopted(connection: Adopted, role: Role, name: &str) -> Self {
        let spec = NodeSpec {
            endpoint: format!("adopted {name}").into(),
            name: name.into(),
            role,
            weight: u32::from(role == Role::Replica),
            zone: None,
            tags: Arc::default(),
            settings: 0,
        };
        Self {
            spec,
            door: Arc::default(),
            trouble: Arc::default(),
            from: From::Adopted(connection),
        }
    }

    /// The configuration of this node, when it has one.
    pub(crate) fn config(&self) -> Option<&NodeConfig> {
        match &self.from {
            From::Configured(node) => Some(node),
            From::Adopted(_) => None,
        }
    }

    /// The connection that the application made, when it did.
    pub(crate) fn connection(&self) -> Option<&Adopted> {
        match &self.from {
            From::Configured(_) => None,
            From::Adopted(connection) => Some(connection),
        }
    }

    /// Whether its pool is ours to open and close.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.from, From::Configured(_))
    }

    /// Opens a pool for a node of this role; an adopted connection is what it is.
    pub(crate) async fn open(&self, config: &Config, role: Role) -> Result<NodePool, DbErr> {
        match &self.from {
            From::Configured(node) => open::open(config, &node.as_role(role), &self.door).await,
            From::Adopted(connection) => Ok(NodePool::Adopted(connection.clone())),
        }
    }

    /// Asks the node for itself, as its later probes do; the connection is kept for them.
    pub(crate) async fn probe(
        &self,
        node: NodeId,
        begun: Moment,
        config: &Config,
        wire: &mut MonitorConnection,
    ) -> Result<Event, DbErr> {
        let facts = match self.config() {
            Some(asked) => backend::meet(config, asked, wire, config.connect_timeout).await?,
            None => Facts::default(),
        };
        Ok(Event::ProbeOk {
            node,
            begun,
            rtt: facts.round_trip,
            facts: super::nodes::said(&facts),
        })
    }

    /// Opens its pool and takes one connection from it, so that the first statement finds one.
    pub(crate) async fn open_warm(&self, config: &Config) -> Result<NodePool, DbErr> {
        let link = self.open(config, self.spec.role).await?;
        link.acquire().await?;
        Ok(link)
    }
}

/// Which server it is. SQLite's readers are a node of their own on the writer's file.
fn endpoint(node: &NodeConfig) -> String {
    let endpoint = node.endpoint().to_string();
    if is_readers(node) {
        return format!("{endpoint}{READERS}");
    }
    endpoint
}

fn called(node: &NodeConfig) -> Called {
    match &node.name {
        Some(name) => Called::Named(name.clone()),
        None => {
            let mut choices = node.url.called();
            if is_readers(node) {
                choices.iter_mut().for_each(|name| name.push_str(READERS));
            }
            Called::ByServer(choices)
        }
    }
}

fn is_readers(node: &NodeConfig) -> bool {
    node.url.backend() == DbBackend::Sqlite && node.role() == Role::Replica
}

/// Everything that a connection depends on beside its endpoint, the password included, in a form that tells nothing.
fn fingerprint(node: &NodeConfig) -> u64 {
    // One seed for the process: nodes are compared by this for as long as it runs.
    static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);
    let mut hasher = SEED.build_hasher();
    hasher.write(node.url.without_password().as_bytes());
    hasher.write_u8(0);
    hasher.write(node.url.password().unwrap_or_default().as_bytes());
    hasher.finish()
}
