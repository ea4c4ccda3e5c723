//! Coalescing single-flight: one question to the primary, how far it has written, serves every write since the last
//! one (rule C2).
//!
//! Writes and reads say to the cluster's clock that one is wanted; this task asks the primary and puts the answer there.
//!
//! One task for a clock, however many handles share it, so that at most one question is in flight for a cluster. The
//! first after a quiet time goes at once, and without writes there is none; those that nobody waits for keep within the
//! cluster's [`allowance`]. Each
//! handle brings its own way to the primary, because they may lead there by other addresses, and one of them may know of
//! a primary that the others have not found: the task keeps to one way for as long as that answers, and takes the next
//! one where it does not. A task for each handle, of which one at a time had the turn, was the first form: whoever was
//! turned away had to be told when the turn came back, and each loop was to be read against all others.
//!
//! The connection is its own: a pool would let the question wait behind statements, and hide what is wrong.

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{
    background_runtime,
    capture::{Capture, Ended},
    rate::Rate,
    tracker::Tracker,
};
use crate::causality::{Clock, PrimaryWord, WriteClock, allowance};
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, Span};

/// How long after a read captures go on for the next one: a load of writes alone has none.
const ATTENTION: Duration = Duration::from_secs(1);

/// Between two attempts on a primary that does not answer (rule T1).
const PAUSE: Duration = Duration::from_millis(500);

/// From now on the clock's task has this way to the primary as well.
pub(super) fn spawn(capture: Capture, tracker: &Arc<Tracker>) {
    let way = CaptureWay {
        capture,
        tracker: Arc::downgrade(tracker),
        changed: tracker.snapshot.subscribe(),
        rests_until: None,
        span: Span::current(),
    };
    let mut pollers = lock(&POLLERS);
    pollers.retain(|(_, ways)| !ways.is_closed());
    let own = Arc::as_ptr(&tracker.clock);
    if let Some((_, ways)) = pollers.iter().find(|(clock, _)| clock.as_ptr() == own) {
        // A task that is there does not end under the lock.
        let _ = ways.send(way);
        return;
    }
    let (ways, joining) = mpsc::unbounded_channel();
    pollers.push((Arc::downgrade(&tracker.clock), ways));
    drop(pollers);
    let mut poller = PrimaryPoller {
        clock: Arc::clone(&tracker.clock),
        ways: vec![way],
        joining,
        rate: Rate::new(),
        forgotten: Instant::now(),
    };
    background_runtime::spawn(async move {
        while poller.retain_ways() {
            poller.step().await;
        }
    });
}

/// The tasks of this process, each with the clock that it asks for and where ways for it are sent.
static POLLERS: Mutex<Pollers> = Mutex::new(Vec::new());

type Pollers = Vec<(Weak<Clock>, mpsc::UnboundedSender<CaptureWay>)>;

fn lock(pollers: &Mutex<Pollers>) -> MutexGuard<'_, Pollers> {
    pollers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One handle's way to the primary.
struct CaptureWay {
    capture: Capture,
    tracker: Weak<Tracker>,
    /// Wakes when the handle's snapshot is another one; its sender lives in what every handle shares.
    changed: watch::Receiver<u64>,
    /// A way that failed is not tried again before, unless its snapshot changes.
    rests_until: Option<Instant>,
    /// What log lines about its cluster stand in.
    span: Span,
}

/// What a way is good for.
#[derive(Clone, Copy, Default)]
struct WayAbility {
    /// The primary says how far it has written.
    asks: bool,
    /// There is a replica to read from: without one, nobody needs to know where writes lie.
    reads: bool,
}

impl CaptureWay {
    /// Nothing when the handle is gone or closed.
    fn ability(&self) -> Option<WayAbility> {
        let tracker = self.tracker.upgrade().filter(|own| !own.is_over())?;
        let asks = tracker.has_positions() && !tracker.snapshot.is_asleep();
        Some(WayAbility {
            asks,
            reads: asks && tracker.snapshot.has_replicas(),
        })
    }

    /// Whether a capture is wanted that it can make. A handle without replicas leaves what writes wish to another one
    /// that has some.
    fn is_wanted(&self, clock: &WriteClock) -> bool {
        let WayAbility { asks, reads } = self.ability().unwrap_or_default();
        asks && wants(clock, reads)
    }

    /// Gives up the connection of a handle that sleeps (T17).
    fn close_for_sleep(&mut self) {
        let tracker = self.tracker.upgrade();
        if tracker.is_some_and(|tracker| tracker.snapshot.is_asleep()) {
            self.capture.close();
        }
    }

    fn rests(&self) -> bool {
        self.rests_until.is_some_and(|until| until > Instant::now())
    }
}

/// The one task of a clock that asks the primary.
struct PrimaryPoller {
    clock: Arc<Clock>,
    /// The first one that can is asked by; one that fails goes behind all others.
    ways: Vec<CaptureWay>,
    joining: mpsc::UnboundedReceiver<CaptureWay>,
    rate: Rate,
    /// When reads were forgotten last.
    forgotten: Instant,
}

impl PrimaryPoller {
    /// Takes in the ways that were sent, and forgets those of handles that are gone; whether one is left. The last look is
    /// under the lock under which they are sent: none is lost to a task that ends.
    fn retain_ways(&mut self) -> bool {
        while let Ok(way) = self.joining.try_recv() {
            self.ways.push(way);
        }
        self.ways.retain(|way| way.ability().is_some());
        self.ways.iter_mut().for_each(CaptureWay::close_for_sleep);
        if self.ways.is_empty() {
            let mut pollers = lock(&POLLERS);
            match self.joining.try_recv() {
                Ok(way) => self.ways.push(way),
                Err(_) => pollers.retain(|(clock, _)| clock.as_ptr() != Arc::as_ptr(&self.clock)),
            }
        }
        !self.ways.is_empty()
    }

    /// One capture, if one is wanted that some way can make; else waits until that may be so.
    async fn step(&mut self) {
        let clock = &self.clock;
        let can = |way: &CaptureWay| !way.rests() && way.is_wanted(&clock.writes);
        match self.ways.iter().position(can) {
            Some(at) if clock.writes.captures().is_asked() || self.can_afford(at) => {
                self.capture_by(at).await
            }
            Some(_) => self.save_up().await,
            None => self.wait().await,
        }
    }

    /// Whether enough is left for a capture that nobody waits for.
    fn can_afford(&self, at: usize) -> bool {
        let tracker = self.ways[at].tracker.upgrade();
        tracker.is_some_and(|tracker| tracker.can_afford(allowance::FOR_CAPTURE))
    }

    /// Waits until something more may have been earned, or somebody waits.
    async fn save_up(&mut self) {
        tokio::select! {
            () = self.clock.writes.captures().on_request() => {}
            () = tokio::time::sleep(allowance::RECKONED) => {}
        }
    }

    /// One capture by this way; where it fails, the next one is by another handle's, which may lead to the primary by
    /// another address, or to another one.
    async fn capture_by(&mut self, at: usize) {
        if self.forgotten.elapsed() > ATTENTION {
            self.clock.writes.captures().forget_reads();
            self.forgotten = Instant::now();
        }
        self.rate.take().await;
        self.clock.allowance.lock().spend();
        let way = &mut self.ways[at];
        let asked = way.capture.once(&way.tracker).instrument(way.span.clone());
        match asked.await {
            // One that can do it no more is found out by the next look.
            ended @ (Some(Ended::Covered(_) | Ended::Impossible) | None) => {
                way.rests_until = None;
                if let Some(Ended::Covered(word)) = ended {
                    self.judge_servers(word);
                    self.demand_samples();
                }
            }
            // Whoever is the primary now is asked at once: that covers what was written before.
            Some(Ended::Cut) => self.clock.writes.captures().note_read(),
            Some(Ended::Failed) => {
                // Whoever waits for the answer hears of nothing that would let it ask again.
                self.clock.writes.captures().note_read();
                let mut way = self.ways.remove(at);
                way.rests_until = Some(Instant::now() + PAUSE);
                self.ways.push(way);
            }
        }
    }

    /// Has the replicas of every handle asked until one has come as far, as far as that is left: whoever reads later than
    /// the replay finds it.
    /// Waiting for the first read that wanted one was the simpler rule: that read went to the primary however late it was.
    fn demand_samples(&self) {
        let trackers = self.ways.iter().filter_map(|way| way.tracker.upgrade());
        trackers.for_each(|tracker| tracker.demand.wish());
    }

    /// Holds what the servers behind one name have told before against what the primary says (C6).
    fn judge_servers(&self, word: PrimaryWord) {
        let trackers = self.ways.iter().filter_map(|way| way.tracker.upgrade());
        for tracker in trackers {
            for node in tracker.snapshot.load().nodes() {
                node.member.node.replayed.judge_servers(word);
            }
        }
    }

    async fn wait(&mut self) {
        let all = self.ways.iter().filter_map(CaptureWay::ability);
        let (asks, reads) = all.fold((false, false), |all, one| {
            (all.0 || one.asks, all.1 || one.reads)
        });
        let rested = self.next_rested();
        tokio::select! {
            () = self.clock.writes.captures().for_writes(), if reads => {}
            () = self.clock.writes.captures().on_request(), if asks => {}
            () = rested => {}
            way = self.joining.recv() => self.ways.extend(way),
            at = changed(&mut self.ways) => self.ways[at].rests_until = None,
        }
    }

    /// Ends when the first way has rested that failed at what is wanted still.
    fn next_rested(&self) -> impl Future<Output = ()> + use<> {
        let wanted = self
            .ways
            .iter()
            .filter(|way| way.is_wanted(&self.clock.writes));
        let first = wanted.filter_map(|way| way.rests_until).min();
        async move {
            match first {
                Some(first) => tokio::time::sleep_until(first.into()).await,
                None => pending().await,
            }
        }
    }
}

/// The first way whose handle has another snapshot, or none any more.
async fn changed(ways: &mut [CaptureWay]) -> usize {
    let changes = ways.iter_mut().map(|way| Box::pin(way.changed.changed()));
    let (_, at, _) = futures_util::future::select_all(changes).await;
    at
}

/// Whether a capture is wanted. What writes wish counts only where there is a replica to read from.
fn wants(clock: &WriteClock, reads: bool) -> bool {
    clock.captures().is_asked() || (reads && clock.wants_capture() && clock.captures().is_read())
}
