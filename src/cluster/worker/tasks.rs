//! What takes time and therefore runs as a task of its own: warming a new node, and waiting until one has nothing left.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use sea_orm::DbErr;

use super::Worker;
use crate::{
    backend::MonitorConnection,
    cluster::{
        inbox::{TaskInbox, TaskReport, Warm},
        nodes::{self, PoolOpening},
        shared::Shared,
    },
    signal::Signal,
    state::Moment,
    vocabulary::NodeId,
};

/// How often a node that drains is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(20);

impl Worker {
    /// Opens a new node's pool, takes one connection from it and asks the node for itself, in a task of its own.
    pub(super) fn warm(&mut self, id: NodeId, until: Moment, shared: &Arc<Shared>) {
        let Some(spec) = self.state.node(id).map(|node| node.spec.clone()) else {
            return;
        };
        let Some(source) = self.nodes.named(&spec) else {
            return;
        };
        let (config, outbox, origin) = (shared.config.clone(), self.outbox.clone(), self.origin);
        tokio::spawn(
            async move {
                let limit = tokio::time::Instant::from_std(origin + until.0);
                let mut wire = MonitorConnection::default();
                let warming = async {
                    let link = source.open_warm(&config).await?;
                    let begun = Moment(origin.elapsed());
                    let probed = source.probe(id, begun, &config, &mut wire).await?;
                    Ok((link, probed))
                };
                let warmed: Result<Result<_, DbErr>, _> =
                    tokio::time::timeout_at(limit, warming).await;
                let report = match warmed {
                    Ok(Ok((link, probed))) => TaskReport::Warmed(Box::new(Warm {
                        id,
                        link: Arc::new(link),
                        source,
                        probed,
                        wire,
                    })),
                    Ok(Err(err)) => TaskReport::WarmFailed(id, nodes::unanswered(&err)),
                    Err(_) => TaskReport::WarmFailed(id, Signal::TimedOut),
                };
                outbox.send(report);
            }
            .boxed(),
        );
    }

    /// Says when nothing is in flight on a node any more.
    pub(super) fn watch(&mut self, id: NodeId) {
        if !self.watched.insert(id) {
            return;
        }
        let Some(metrics) = self
            .nodes
            .member(id)
            .map(|member| Arc::clone(&member.metrics))
        else {
            return;
        };
        let outbox = self.outbox.clone();
        tokio::spawn(
            async move {
                while metrics.in_flight() > 0 {
                    tokio::time::sleep(WATCH_EVERY).await;
                    if outbox.is_over() {
                        return;
                    }
                }
                outbox.send(TaskReport::DrainedOut(id));
            }
            .boxed(),
        );
    }
}

/// Opens what could not be opened at once.
pub(super) fn open_beside(opening: impl IntoIterator<Item = PoolOpening>, outbox: &TaskInbox) {
    for opening in opening {
        let outbox = outbox.clone();
        tokio::spawn(async move { outbox.send(TaskReport::Opened(opening.end().await)) }.boxed());
    }
}
