//! What statements read of a crash in the published view: what became of a server, and where a text must not go (R5).

use crate::state::outage::Cause;
use crate::state::{Outage, Ran, TextHash, View, ViewNode};
use crate::vocabulary::{NodeId, Role};

/// What became of the server of a statement that broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not told yet.
    Open,
    /// The server crashed, and this was the first to break.
    Crashed(Ran),
    /// The server is gone, or it is well.
    Other,
}

/// Which nodes a read keeps away from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spares {
    #[default]
    Nobody,
    /// The read may have crashed a server: the primary must not be the next one.
    Primary,
    /// The read may have crashed two servers.
    Everybody,
}

impl Spares {
    /// Whether the read keeps away from a node of this role.
    pub(crate) fn bars(self, role: Role) -> bool {
        match self {
            Self::Nobody => false,
            Self::Primary => role == Role::Primary,
            Self::Everybody => true,
        }
    }
}

impl View {
    /// What became of the server under connections of this generation.
    #[must_use]
    pub(crate) fn fate(&self, id: NodeId, generation: u64) -> Fate {
        let Some(node) = self.nodes.iter().find(|node| node.id == id) else {
            return Fate::Other;
        };
        match node.outage {
            Some(outage) if outage.generation == generation => match outage.cause {
                Cause::Open => Fate::Open,
                Cause::Crash => Fate::Crashed(outage.first),
                Cause::Other => Fate::Other,
            },
            // What was reported has not been heard yet.
            _ if node.generation == generation => Fate::Open,
            _ => Fate::Other,
        }
    }

    /// The node for whose crash a read is kept away from the primary: its text may be the cause, or it ran there itself,
    /// and the server has not recovered yet. `spared`: the one for which it was before. What was kept away once stays
    /// away, or it would wait for the end of the recovery only to crash the primary then; unless that is the one that
    /// recovers.
    #[must_use]
    pub(crate) fn spared(
        &self,
        text: Option<TextHash>,
        ran_in: Option<(NodeId, u64)>,
        spared: Option<NodeId>,
    ) -> Option<NodeId> {
        let primary = self.primary.map(|index| self.nodes[index].id);
        let recovers = |(id, generation): &(NodeId, u64)| {
            self.nodes.iter().any(|node| {
                let outage = node
                    .outage
                    .filter(|outage| outage.generation == *generation);
                let stands = |outage: Outage| !outage.over && outage.cause != Cause::Other;
                node.id == *id && outage.is_some_and(stands)
            })
        };
        let own = ran_in.filter(recovers).map(|(id, _)| id);
        let suspected = || Some(self.suspects(text?).next()?.id);
        // A suspicion that the check did not confirm is over: its server is gone, or well.
        let holds = |id: &NodeId| {
            let stands = |outage: Outage| outage.cause == Cause::Crash || outage.is_open();
            let mut nodes = self.nodes.iter();
            nodes.any(|node| node.id == *id && node.outage.is_some_and(stands))
        };
        spared
            .filter(|node| Some(*node) != primary && holds(node))
            .or(own)
            .or_else(suspected)
    }

    /// Whether nobody has told yet if this text crashed a server.
    #[must_use]
    pub(crate) fn is_asking_about(&self, text: TextHash) -> bool {
        let is_open = |node: &ViewNode| node.outage.is_some_and(|outage| outage.is_open());
        self.suspects(text).any(is_open)
    }

    /// Whether a server is known to recover from a crash.
    #[must_use]
    pub(crate) fn knows_a_crash(&self) -> bool {
        let crashed = |outage: Outage| !outage.over && outage.cause == Cause::Crash;
        self.nodes
            .iter()
            .any(|node| node.outage.is_some_and(crashed))
    }

    /// Where a read of this text must not go.
    #[must_use]
    pub(crate) fn spares(&self, text: TextHash) -> Spares {
        match self.suspects(text).count() {
            0 => Spares::Nobody,
            1 => Spares::Primary,
            _ => Spares::Everybody,
        }
    }

    /// The nodes whose servers this text may have crashed.
    pub(crate) fn suspects(&self, text: TextHash) -> impl Iterator<Item = &ViewNode> {
        let nodes = self.nodes.iter();
        nodes.filter(move |node| {
            let outage = node.outage.as_ref();
            outage.and_then(Outage::suspect) == Some(text)
        })
    }
}
