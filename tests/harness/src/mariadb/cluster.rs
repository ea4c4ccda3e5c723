//! A primary and its replicas, started together and removed together.

use super::{Flavour, Node, template::Template};
use crate::{Result, account::Account, cluster::in_parallel, guardian::Guarded};

/// What a cluster will be; see [`Cluster::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    flavour: Flavour,
    replicas: u32,
    settings: Vec<(String, String)>,
}

/// A primary with its replicas. Dropping it stops every server and removes every file.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    folder: Guarded,
}

impl Builder {
    /// Which servers; without this the one that was [asked](Flavour::asked) for.
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// The number of replicas; none by default.
    pub fn replicas(mut self, count: u32) -> Self {
        self.replicas = count;
        self
    }

    /// A server option of every node.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the servers and returns when every replica receives and applies.
    pub fn start(self) -> Result<Cluster> {
        // A reserved port may still be taken by a process that knows nothing of reservations.
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt() {
                Err(error) if error.port_is_taken() && attempts < 3 => {}
                end => return end,
            }
        }
    }

    fn attempt(&self) -> Result<Cluster> {
        let account = Account::find()?;
        let folder = Guarded::folder()?;
        account.own(folder.path())?;
        let template = Template::get(&account, self.flavour)?;
        let mut cluster = Cluster {
            nodes: Vec::new(),
            folder,
        };
        let path = cluster.folder.path();
        let node = |number: u32| {
            let folder = path.join(format!("m{number}"));
            Node::create(number, folder, account.clone(), template.clone())
        };
        cluster.nodes = in_parallel(1..=self.replicas + 1, node)?;
        for node in &cluster.nodes {
            for (name, value) in &self.settings {
                node.preset(name, value);
            }
        }
        in_parallel(&cluster.nodes, Node::start)?;
        let primary = cluster.primary();
        in_parallel(cluster.replicas(), |replica: &Node| {
            replica.follow(primary)?;
            replica.wait_replicating()
        })?;
        Ok(cluster)
    }
}

impl Cluster {
    /// Describes a cluster of one primary.
    pub fn builder() -> Builder {
        Builder {
            flavour: Flavour::asked(),
            replicas: 0,
            settings: Vec::new(),
        }
    }

    /// The node that was the primary at the start, whatever it is now.
    #[must_use]
    pub fn primary(&self) -> &Node {
        &self.nodes[0]
    }

    /// One of the nodes that were replicas at the start, counted from zero, whatever it is now.
    #[must_use]
    pub fn replica(&self, index: usize) -> &Node {
        &self.nodes[index + 1]
    }

    /// The nodes that were replicas at the start.
    #[must_use]
    pub fn replicas(&self) -> &[Node] {
        self.nodes.get(1..).unwrap_or_default()
    }

    /// All nodes, the first primary first.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The folder that holds all nodes.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Waits until every running replica has applied what the first primary has written up to now.
    pub fn wait_caught_up(&self) -> Result<()> {
        let mut running = self.replicas().iter().filter(|node| node.is_running());
        running.try_for_each(|replica| replica.wait_caught_up_with(self.primary()))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nothing of it is needed any more, and an orderly stop takes half a second.
        if in_parallel(&self.nodes, Node::kill).is_ok() {
            self.folder.remove();
        }
    }
}
