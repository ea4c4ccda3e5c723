//! Coalescing single-flight: one question to the primary, how far it has written, serves every write since the last
//! one (rule C2).
//!
//! Writes and reads say to the cluster's clock that one is wanted; this task asks the primary and puts the answer there.
//!
//! At most one question is in flight for a cluster, however many handles this process has to it, and at most one
//! thousand a second; the first after a quiet time goes at once, and without writes there is none. The connection is
//! its own: a pool would let the question wait behind statements, and hide what is wrong.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{background_runtime, rate::Rate, sql, tracker::Tracker};
use crate::{
    backend::postgres::NOT_TOLD, causality::Clock, metrics::ClusterCounter, mutants, signal,
    vocabulary::NodeId,
};
use sea_orm::DbErr;
use tokio::sync::watch;

/// How long after a read captures go on for the next one: a load of writes alone has none.
const ATTENTION: Duration = Duration::from_secs(1);

/// Between two attempts on a primary that does not answer (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// How a capture ended.
enum Ended {
    Covered,
    /// The server gives no position at all.
    Impossible,
    Failed,
}

/// The connection that captures use, kept between them.
#[derive(Debug, Default)]
pub(super) struct Capture {
    /// With the life of the primary that it leads to: the answer of another node says nothing of this one's writes.
    conn: Option<(NodeId, u64, sql::Direct)>,
}

impl Capture {
    /// Captures until every write is covered, then waits for the next one; ends with the cluster.
    pub(super) fn spawn(self, tracker: &Arc<Tracker>) {
        let mut poller = PrimaryPoller {
            capture: self,
            clock: Arc::clone(&tracker.clock),
            tracker: Arc::downgrade(tracker),
            changed: tracker.snapshot.subscribe(),
            rate: Rate::new(),
            forgotten: Instant::now(),
        };
        background_runtime::spawn(async move { while poller.step().await.is_some() {} });
    }

    /// One capture; nothing when the cluster is gone or closed.
    async fn once(&mut self, weak: &Weak<Tracker>) -> Option<Ended> {
        let tracker = weak.upgrade().filter(|tracker| !tracker.is_over())?;
        if !tracker.has_positions() {
            return Some(Ended::Impossible);
        }
        let limit = tracker.config.connect_timeout;
        let captured = tokio::time::timeout(limit, self.ask(&tracker)).await;
        tracker.count(ClusterCounter::Capture);
        Some(match captured {
            Ok(Ok(ended)) => ended,
            Ok(Err(err)) => {
                self.conn = None;
                judge(&tracker, &err)
            }
            Err(_) => {
                self.conn = None;
                Ended::Failed
            }
        })
    }

    async fn ask(&mut self, tracker: &Tracker) -> Result<Ended, DbErr> {
        let primary = tracker
            .snapshot
            .primary_node()
            .and_then(|node| Some((node.direct.clone()?, node)));
        let Some((direct, node)) = primary else {
            return Ok(Ended::Failed);
        };
        let (id, generation) = (node.id, node.generation);
        // Its name may lead to another server than the one that the writes went to.
        let leads_home = |conn: &sql::Direct| {
            let guide = node.link.guide();
            guide.is_none_or(|guide| !guide.is_over() && guide.door.is_home(conn.started()))
        };
        let mut conn = match self.conn.take() {
            Some((of, life, conn)) if (of, life) == (id, generation) && leads_home(&conn) => conn,
            _ => sql::open(&tracker.config, &direct, "sealane-capture").await?,
        };
        if !leads_home(&conn) {
            return Ok(Ended::Failed);
        }
        // Before the question is sent: what returned up to here lies below the answer.
        let word = tracker.word();
        let question = tracker.clock.question(word);
        let position = conn.capture().await?;
        let question = match mutants::lives("capture_covers_later_ticks") {
            true => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                tracker.clock.question(word)
            }
            false => question,
        };
        let life = conn.started();
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
        Ok(
            match still && tracker.clock.cover(question, position, life) {
                true => Ended::Covered,
                false => Ended::Failed,
            },
        )
    }

    /// Finds out whether the primary gives positions, before the first statement. A primary that does not answer may.
    pub(super) async fn first(&mut self, tracker: &Tracker) {
        let limit = tracker.config.connect_timeout;
        if let Ok(Err(err)) = tokio::time::timeout(limit, self.ask(tracker)).await {
            self.conn = None;
            judge(tracker, &err);
        }
    }
}

/// The task of one handle that asks the primary when it is that one's turn.
struct PrimaryPoller {
    capture: Capture,
    clock: Arc<Clock>,
    tracker: Weak<Tracker>,
    /// Wakes when another snapshot is there; its sender lives in what every handle shares.
    changed: watch::Receiver<u64>,
    rate: Rate,
    /// When reads were forgotten last.
    forgotten: Instant,
}

impl PrimaryPoller {
    /// Waits until a capture is wanted, and captures until none is; nothing when the cluster is gone or closed.
    async fn step(&mut self) -> Option<()> {
        let tracker = self.tracker.upgrade().filter(|own| !own.is_over())?;
        // A handle without replicas leaves what writes wish to another one that has some.
        let (reads, able) = (tracker.snapshot.has_replicas(), tracker.has_positions());
        drop(tracker);
        tokio::select! {
            () = self.clock.captures.for_writes(), if reads && able => {}
            () = self.clock.captures.on_request(), if able => {}
            changed = self.changed.changed() => changed.ok()?,
        }
        let clock = Arc::clone(&self.clock);
        while wants(&clock, reads) {
            let Some(turn) = clock.captures.take_turn() else {
                break;
            };
            if self.forgotten.elapsed() > ATTENTION {
                clock.forget_reads();
                self.forgotten = Instant::now();
            }
            self.rate.take().await;
            match self.capture.once(&self.tracker).await {
                Some(Ended::Covered) => {}
                Some(Ended::Failed) => {
                    // Whoever waits for the answer hears of nothing that would let it ask again.
                    clock.note_read();
                    // Another handle may have another way to the primary, or know of another one.
                    drop(turn);
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        changed = self.changed.changed() => changed.ok()?,
                    }
                }
                Some(Ended::Impossible) => {
                    turn.hand_on();
                    break;
                }
                None => {
                    turn.hand_on();
                    return None;
                }
            }
        }
        Some(())
    }
}

/// Whether a capture is wanted. What writes wish counts only where there is a replica to read from.
fn wants(clock: &Clock, reads: bool) -> bool {
    clock.is_asked() || (reads && clock.wants_capture() && clock.is_read())
}

fn judge(tracker: &Tracker, err: &DbErr) -> Ended {
    let code = signal::code(err);
    if code.is_some_and(|code| NOT_TOLD.contains(&code.as_str())) {
        if tracker.mark_untold() {
            tracing::warn!(
                error = %err,
                "the primary does not say how far it has written, so nobody can tell which replica has it: {}; let the role \
                 execute pg_current_wal_insert_lsn(), pg_walfile_name() and pg_control_system()",
                match tracker.pin.is_trusted {
                    true => "after a write, reads stay on the primary for SEALANE_PIN",
                    false => "reads of a session that wrote stay on the primary",
                }
            );
        }
        return Ended::Impossible;
    }
    Ended::Failed
}
