//! Asking one node for itself, and its answer in the reducer's words.

use std::{sync::Arc, time::Duration};

use sea_orm::DbErr;

use crate::{
    backend::{self, Facts, MonitorConnection},
    config::{Config, NodeConfig},
    node::{Node, Trouble},
    signal::{self, Signal},
    state::{Event, Fact, Moment, ProbeFacts},
    vocabulary::{NodeId, Role},
};

/// One question to one node.
pub(in crate::cluster) struct Probe {
    pub(super) id: NodeId,
    pub(super) asked: ProbeTarget,
    /// Hears of what fails.
    pub(super) trouble: Arc<Trouble>,
}

pub(super) enum ProbeTarget {
    Server(Box<(Config, NodeConfig)>),
    Connection(Arc<Node>, Duration),
}

impl Probe {
    /// Asks, and puts the answer into the reducer's words. The connection is kept for the next time.
    pub(in crate::cluster) async fn run(
        &self,
        begun: Moment,
        wire: &mut MonitorConnection,
    ) -> Event {
        let node = self.id;
        let answer = match &self.asked {
            ProbeTarget::Server(asked) => backend::probe(&asked.0, &asked.1, wire).await,
            ProbeTarget::Connection(node, limit) => backend::probe_adopted(node, *limit).await,
        };
        if let Err(err) = &answer {
            self.trouble.failed(err);
        }
        match answer {
            Ok(facts) => Event::ProbeOk {
                node,
                begun,
                rtt: facts.round_trip,
                facts: said(&facts),
            },
            Err(err) => Event::ProbeFailed {
                node,
                begun,
                signal: match &self.asked {
                    ProbeTarget::Server(_) => unanswered(&err),
                    ProbeTarget::Connection(..) => signal::of_db_err(&err, Role::Unknown),
                },
            },
        }
    }
}

/// What a failed probe on a connection of its own says. No pool is in between, so a time-out means a silent server.
pub(in crate::cluster) fn unanswered(err: &DbErr) -> Signal {
    match signal::of_db_err(err, Role::Unknown) {
        Signal::AcquireTimeout => Signal::TimedOut,
        signal => signal,
    }
}

pub(in crate::cluster) fn said(facts: &Facts) -> ProbeFacts {
    ProbeFacts {
        in_recovery: facts.in_recovery,
        standing: facts.standing,
        guess: None,
        writers: facts.writers.clone(),
        identity: facts.cluster.map_or(Fact::NotChecked, Fact::Known),
        epoch: facts.epoch,
        reached: facts.reached,
        system: facts.system,
        serializable: facts.serializable,
        receiver: facts.receiver,
        withheld: facts.withheld,
        position: facts.position,
        ended: facts.ended,
        server: facts.server.map_or(Fact::NotChecked, Fact::Known),
        started: facts.started,
        address: facts.address,
        moved: false,
        several: false,
        furthest: None,
    }
}
