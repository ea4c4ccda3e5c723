//! One capture: asks the primary how far it has written (rule C2), and is cut when that is the primary no more (T7).

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use sea_orm::DbErr;

use super::{
    capture_answer::CaptureAnswer,
    direct::{self, Direct},
    tracker::Tracker,
};
use crate::{
    backend::Patience, causality::PrimaryWord, config::Config, metrics::ClusterCounter, mutants,
    node::Node, vocabulary::NodeId,
};

/// By which servers list its connection.
const NAME: &str = "sealane-capture";

/// Why sets of transactions prove nothing any more (rule C16).
const REUSED: &str = "it lacks transactions that were written before, and gives their identifiers to others: nobody can tell which of \
                      the two a replica has. Set replicas up anew, and start this process again";

/// How a capture ended.
pub(super) enum Ended {
    /// What had returned is covered, by this word of the primary.
    Covered(PrimaryWord),
    /// The server gives no position at all.
    Impossible,
    Failed,
    /// The node that was asked is the primary no more, or was found dead.
    Cut,
}

/// The connection that captures use, kept between them.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    /// With the generation of the primary that it leads to: the answer of another node says nothing of this one's
    /// writes.
    conn: Option<(NodeId, u64, Direct)>,
    patience: Patience,
}

impl Capture {
    /// Opens its connection, before there is a cluster to ask for. Without one the first question opens it.
    pub(super) async fn ahead(config: &Config, primary: &Node) -> Self {
        let Some(direct) = &primary.direct else {
            return Self::default();
        };
        let opening = direct::open(config, direct, NAME);
        let opened = tokio::time::timeout(config.connect_timeout, opening).await;
        let conn = opened.ok().and_then(Result::ok);
        Self {
            conn: conn.map(|conn| (primary.id, primary.generation, conn)),
            patience: Patience::default(),
        }
    }

    /// Gives up its connection.
    pub(super) fn close(&mut self) {
        self.conn = None;
    }

    /// One capture; nothing when the cluster is gone or closed.
    pub(super) async fn once(&mut self, weak: &Weak<Tracker>) -> Option<Ended> {
        let tracker = weak.upgrade().filter(|tracker| !tracker.is_over())?;
        if !tracker.has_positions() {
            return Some(Ended::Impossible);
        }
        let first = tracker.config.connect_timeout;
        let limit = match self.conn {
            Some(_) => first,
            None => self.patience.limit(first),
        };
        let primary = tracker.snapshot.primary_node();
        let replaced = tracker.snapshot.until_replaced(primary.as_deref());
        let captured = tokio::select! {
            captured = tokio::time::timeout(limit, self.ask(&tracker, primary.clone())) => captured.ok(),
            () = replaced => Some(Ok(Ended::Cut)),
        };
        tracker.count(ClusterCounter::Capture);
        if !matches!(captured, Some(Ok(Ended::Covered(_) | Ended::Failed))) {
            // What was left in the midst answers the next question with its own answer.
            self.conn = None;
        }
        self.patience = match captured {
            None => self.patience.took_longer(),
            Some(_) => Patience::default(),
        };
        Some(match captured {
            Some(Ok(ended)) => ended,
            Some(Err(err)) => ended_by(&tracker, &err),
            None => Ended::Failed,
        })
    }

    async fn ask(&mut self, tracker: &Tracker, primary: Option<Arc<Node>>) -> Result<Ended, DbErr> {
        let primary = primary.and_then(|node| Some((node.direct.clone()?, node)));
        let Some((direct, node)) = primary else {
            return Ok(Ended::Failed);
        };
        let (id, generation) = (node.id, node.generation);
        // Its name may lead to another server than the one that the writes went to.
        let leads_home = |conn: &Direct| {
            let guide = node.link.guide();
            guide.is_none_or(|guide| !guide.is_over() && guide.door.is_home(conn.started()))
        };
        let mut conn = match self.conn.take() {
            Some((of, since, conn)) if (of, since) == (id, generation) && leads_home(&conn) => conn,
            _ => direct::open(&tracker.config, &direct, NAME).await?,
        };
        if !leads_home(&conn) {
            return Ok(Ended::Failed);
        }
        // Before the question is sent: what returned up to here lies below the answer.
        let (word, asked) = (tracker.word(), Instant::now());
        let question = tracker.clock.writes.question(word);
        let place = match conn.capture().await? {
            CaptureAnswer::Place(place) => place,
            CaptureAnswer::Nothing(why) => {
                return Ok(without_positions(tracker, &why));
            }
        };
        let question = match mutants::lives("capture_covers_later_ticks") {
            true => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tracker.clock.writes.question(word)
            }
            false => question,
        };
        self.conn = Some((id, generation, conn));
        // A node that was the primary until now: what was written to its successor lies elsewhere.
        let still = tracker
            .snapshot
            .primary_node()
            .is_some_and(|node| node.id == id)
            && self
                .conn
                .as_ref()
                .is_some_and(|(.., conn)| leads_home(conn));
        let lsn = place.position.lsn.0;
        let covered = still && tracker.clock.writes.cover(question, place);
        if tracker.clock.writes.is_reused() {
            return Ok(without_positions(tracker, REUSED));
        }
        Ok(match covered {
            true => Ended::Covered(PrimaryWord {
                epoch: tracker.clock.writes.epoch(),
                lsn,
                asked,
            }),
            false => Ended::Failed,
        })
    }

    /// Finds out whether the primary gives positions, before the first statement. A primary that does not answer may.
    pub(super) async fn first(&mut self, tracker: &Tracker) {
        let limit = tracker.config.connect_timeout;
        let asked = self.ask(tracker, tracker.snapshot.primary_node());
        if let Ok(Err(err)) = tokio::time::timeout(limit, asked).await {
            self.conn = None;
            ended_by(tracker, &err);
        }
    }
}

fn ended_by(tracker: &Tracker, err: &DbErr) -> Ended {
    match direct::not_told(err) {
        Some(why) => without_positions(tracker, &why),
        None => Ended::Failed,
    }
}

/// The primary gives no position for good: said once.
fn without_positions(tracker: &Tracker, why: &str) -> Ended {
    if tracker.mark_untold() {
        tracing::warn!(
            "the primary does not say how far it has written, so nobody can tell which replica has it: {}; {why}",
            match tracker.pin.is_trusted {
                true => "after a write, reads stay on the primary for SEALANE_PIN",
                false => "reads of a session that wrote stay on the primary",
            }
        );
        // Whoever waits for a position waits in vain from now on.
        tracker.clock.writes.news.notify_waiters();
    }
    Ended::Impossible
}
