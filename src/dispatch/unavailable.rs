//! Why a statement got no connection, in the words of whoever has to mend it: which node, where, in which phase, what
//! bounds that, and what the server said last.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sea_orm::{ConnAcquireErr, DbErr};

use super::{Attempt, phase::Phase};
use crate::{
    backend,
    cluster::shared::Shared,
    error::{DbErrKind, Error},
    node::{Lease, Node},
    signal,
    vocabulary::{Role, Stage},
};

/// A statement that has had its permit for so long and no connection has its server asked why.
const PATIENCE: Duration = Duration::from_millis(500);

/// What stood in the way.
pub(super) struct Obstacle {
    /// The phase whose time was over, where it was one.
    phase: Option<Phase>,
    /// Empty where the states of the nodes say all.
    detail: String,
    /// What the server said, or the driver.
    source: Option<DbErr>,
}

impl Obstacle {
    /// The time of a phase was over.
    pub(super) fn late(phase: Phase, detail: String) -> Self {
        Self {
            phase: Some(phase),
            detail,
            source: None,
        }
    }

    /// With the error that says so.
    pub(super) fn by(self, err: DbErr) -> Self {
        Self {
            source: Some(err),
            ..self
        }
    }

    /// The obstacle that this error tells of.
    pub(super) fn said(err: DbErr) -> Self {
        Self::of_ours(signal::told(&err)).by(err)
    }

    /// An obstacle of our own: no node was asked.
    pub(super) fn of_ours(detail: String) -> Self {
        Self {
            phase: None,
            detail,
            source: None,
        }
    }
}

impl Attempt<'_> {
    /// The error of a statement that got no connection of this node. What tells that a pool was closed stays as it is,
    /// and so does what is ours.
    pub(super) fn unavailable(&self, lease: &Lease, stage: Stage, err: DbErr) -> DbErr {
        if stage != Stage::Acquire || Error::from_db_err(&err).is_some() {
            return err;
        }
        let (obstacle, full) = match &err {
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => self.why_late(lease),
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => return err,
            _ => (Obstacle::said(err.clone()), false),
        };
        let error = self.at_node(lease.node(), stage, obstacle);
        if full && self.request.shared.config.keep_seaorm_errors {
            if lease.node().trouble.may_tell() {
                tracing::warn!("{error}");
            }
            return err;
        }
        error.into_db(DbErrKind::Conn)
    }

    /// This node gave no connection.
    pub(super) fn at_node(&self, node: &Node, stage: Stage, obstacle: Obstacle) -> Error {
        Error::Unavailable {
            node: node.name.to_string(),
            address: node.address().into(),
            stage,
            waited: self.timing.waited(),
            limit: obstacle.phase.map(|phase| self.limit_of(phase)),
            detail: obstacle.detail.into(),
            sent: self.progress.sent,
            source: obstacle.source.map(Box::new),
        }
    }

    /// The statement never got as far as a node: the primary's error, where one is known.
    pub(super) fn at_no_node(&self, obstacle: Obstacle) -> Error {
        let snapshot = self.request.shared.snapshot.load();
        let nodes = snapshot.describe();
        match snapshot.view.primary {
            Some(index) => {
                let obstacle = match snapshot.said_last(index) {
                    _ if !obstacle.detail.is_empty() => obstacle,
                    None => Obstacle {
                        detail: nodes.to_string(),
                        ..obstacle
                    },
                    Some(answer) => Obstacle {
                        detail: signal::told(&answer),
                        ..obstacle.by(answer)
                    },
                };
                self.at_node(&snapshot.member(index).node, Stage::Route, obstacle)
            }
            None => Error::NoPrimary {
                nodes,
                detail: obstacle.detail.into(),
                waited: self.timing.waited(),
                limit: obstacle.phase.map(|phase| self.limit_of(phase)),
                sent: self.progress.sent,
                source: obstacle.source.map(Box::new),
            },
        }
    }

    /// Since when it has tried, where nothing before had to be timed.
    pub(crate) fn tries_since(&mut self, begun: Instant) {
        self.timing.start(begun);
    }

    /// What bounds this phase, as its owner would write it.
    pub(super) fn limit_of(&self, phase: Phase) -> Box<str> {
        self.request.shared.config.setting(phase.field()).into()
    }

    /// Why no connection was there in time, and whether all of the pool were in use.
    fn why_late(&self, lease: &Lease) -> (Obstacle, bool) {
        let late =
            |detail: String| Obstacle::late(self.progress.silent.unwrap_or(Phase::Permit), detail);
        let node = lease.node();
        if self.progress.silent.is_some() {
            let detail = "the server did not answer on it; check whether it is overloaded";
            return (late(detail.to_owned()), false);
        }
        let begun = self.timing.started().unwrap_or_else(Instant::now);
        let full = node.link.pool_size();
        let full = full.is_some_and(|pool| pool.size >= pool.max && pool.idle == 0);
        let setting = match lease.role() {
            Role::Replica => "replica_max_connections",
            Role::Primary | Role::Unknown | Role::Fenced => "max_connections",
        };
        let setting = self.request.shared.config.setting(setting);
        let (detail, answer) = node.trouble.explain(begun, full.then_some(&*setting));
        let obstacle = late(detail);
        match answer {
            Some(answer) => (obstacle.by(answer), full),
            None => (obstacle, full),
        }
    }
}

/// Waits for a connection. Where that takes long, the server is asked beside why: sqlx tries again in silence what it was
/// refused, and the monitor, which has its connection, hears nothing of it.
pub(crate) async fn asking_why<T>(
    shared: &Arc<Shared>,
    node: &Arc<Node>,
    work: impl Future<Output = T>,
) -> T {
    if node.direct.is_none() || node.link.has_idle() {
        return work.await;
    }
    let (mut work, begun) = (pin!(work), Instant::now());
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE.min(shared.config.acquire_timeout / 2)) => {}
    }
    if node.trouble.refused_since(begun).is_none() {
        ask(shared, node);
    }
    work.await
}

/// In a task, so that a statement that gives up meanwhile still knows that nobody has answered.
fn ask(shared: &Shared, node: &Node) {
    let Some(direct) = node.direct.clone() else {
        return;
    };
    if let Some(asking) = node.trouble.begin() {
        let config = shared.config.clone();
        tokio::spawn(
            async move { asking.ends(backend::try_connect(&config, &direct).await) }.boxed(),
        );
    }
}
