//! Waking of an idle cluster (T17): every node is asked what it is before anything is sent again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::{Worker, sleep::Depth};
use crate::{
    backend::MonitorConnection,
    cluster::{
        inbox::{Answered, TaskInbox, TaskReport},
        nodes,
        shared::Shared,
        source::Source,
    },
    config::Config,
    state::{Event, Fact, Moment},
    vocabulary::NodeId,
};
use sea_orm::{ConnAcquireErr, DbErr};

/// Between two rounds of questions to nodes of which none was a primary (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

impl Worker {
    /// Has every node asked what it is.
    pub(super) fn wake(&mut self, shared: &Shared) {
        if self.sleep.depth != Depth::Asleep {
            return;
        }
        self.sleep.depth = Depth::Waking;
        let asked: Vec<(NodeId, Source)> = self
            .state
            .members()
            .filter_map(|node| Some((node.id, self.nodes.source(node.id)?)))
            .collect();
        let (config, origin, outbox) = (shared.config.clone(), self.origin, self.outbox.clone());
        tokio::spawn(
            async move {
                let answers = ask_everybody(&asked, &config, origin, &outbox).await;
                outbox.send(TaskReport::Woken(answers));
            }
            .boxed(),
        );
    }

    /// Every node was asked.
    pub(super) async fn woken(&mut self, shared: &Arc<Shared>, answers: Vec<Answered>) {
        let mut events = Vec::new();
        for Answered {
            node,
            mut event,
            wire,
        } in answers
        {
            if let Event::ProbeOk { facts, .. } = &mut event {
                facts.moved = self.nodes.probed(node, facts);
            }
            self.probes.keep(node, wire);
            events.push(event);
        }
        self.sleep.depth = Depth::Awake;
        if let Some(idle) = &mut self.sleep.idle {
            idle.note(shared.now());
        }
        self.dispatch(Event::Woken(events)).await;
        self.note_whose(shared);
    }
}

/// Asks all nodes, all at the same time, until one of them may be the primary; not for so long that a statement which
/// others could serve fails. One that has not answered by then is down, and asked again as any that is.
async fn ask_everybody(
    asked: &[(NodeId, Source)],
    config: &Config,
    origin: Instant,
    outbox: &TaskInbox,
) -> Vec<Answered> {
    let begun = Instant::now();
    let limit = config.route_timeout.min(config.acquire_timeout) / 2;
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let now = Moment(origin.elapsed());
        let asking = asked
            .iter()
            .map(|(id, source)| ask(*id, source, config, now, left));
        let answers = futures_util::future::join_all(asking).await;
        let enough = answers.iter().any(|one| may_reign(&one.event));
        if enough || begun.elapsed() + PAUSE >= limit || outbox.is_over() {
            return answers;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(
    node: NodeId,
    source: &Source,
    config: &Config,
    begun: Moment,
    limit: Duration,
) -> Answered {
    let mut wire = MonitorConnection::default();
    let probe = source.probe(node, begun, config, &mut wire);
    let late = |_| Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
    let answer = tokio::time::timeout(limit, probe).await;
    let event = match answer.unwrap_or_else(late) {
        Ok(event) => {
            source.trouble.settled();
            event
        }
        Err(err) => {
            source.trouble.failed(&err);
            // What is half read is no connection any more.
            wire = MonitorConnection::default();
            Event::ProbeFailed {
                node,
                begun,
                signal: nodes::unanswered(&err),
            }
        }
    };
    Answered { node, event, wire }
}

fn may_reign(event: &Event) -> bool {
    matches!(event, Event::ProbeOk { facts, .. } if facts.in_recovery != Fact::Known(true))
}
