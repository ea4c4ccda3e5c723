//! Holds a bookmark against what is known of the cluster (rules C10, C11).
//!
//! A bookmark comes from outside and may say anything. It never raises the cluster's epoch and never holds up another
//! session: at the most it costs one shared capture, and the session that brought it a wait.

use std::{
    cmp::Ordering,
    time::{Duration, Instant},
};

use super::{tracker::Tracker, wait::Look};
use crate::{
    causality::{Current, LastReport, Session, Upstream, WaitingBookmark, WriteClock},
    error::causes::BookmarkProblem,
    metrics::ClusterCounter,
    position::{Asks, ClusterId, Position},
    vocabulary::Role,
};

/// How often all nodes are asked for an epoch that none has shown yet.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// What a bookmark is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// A bookmark of another cluster.
    Foreign,
    /// Of an epoch that is over: the first position of the current one stands for it.
    Older,
    /// The primary has come as far.
    Known,
    /// The primary is not known to have come so far: it has to be asked.
    Ahead,
    /// Of an epoch that is not known: every node has to be asked.
    Newer,
    /// The primary was asked after it had come, and has not come so far: nobody wrote what it stands for.
    False,
    /// The bookmark is whatever the primary has when it comes, and the primary was asked then.
    Told,
}

/// Judges it by the greatest position of the primary. `asked`: that was told after the bookmark had come. `over`: its
/// epoch was that of the primary once, and is no more, whatever its number: after a restore it may be the greater one,
/// or another cluster's.
fn worth_at(bookmark: Position, greatest: Option<Position>, over: bool, asked: bool) -> Worth {
    let Some(greatest) = greatest else {
        return Worth::Ahead;
    };
    if over {
        return Worth::Older;
    }
    match bookmark.epoch.partial_cmp(&greatest.epoch) {
        None => Worth::Foreign,
        Some(Ordering::Less) => Worth::Older,
        Some(Ordering::Greater) => Worth::Newer,
        Some(Ordering::Equal) if greatest.covers(bookmark) => Worth::Known,
        Some(Ordering::Equal) if asked => Worth::False,
        Some(Ordering::Equal) => Worth::Ahead,
    }
}

/// What the nodes say of an epoch that the primary does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Some have not been asked since.
    Unasked,
    /// All were asked, and none shows it.
    Nowhere,
    /// Some node shows it, or cannot tell.
    Perhaps,
}

/// Holds everything that this session brought against the primary, until the deadline: what cannot be known by then is
/// looked at again by whoever comes next, and until it is known the session needs the primary. That one is who takes the
/// writes of this process, and if it is not the one of the bookmark's epoch, nobody here knows of that one.
///
/// # Errors
/// [`BookmarkProblem::OtherCluster`]; the others for what is not known.
pub(crate) async fn settle(
    tracker: &Tracker,
    session: &Session,
    deadline: Instant,
) -> Result<(), BookmarkProblem> {
    for waiting in session.waiting() {
        settle_one(tracker, session, waiting, deadline).await?;
    }
    Ok(())
}

/// Whether everything that this one brought is known by the deadline.
pub(crate) async fn are_settled(tracker: &Tracker, current: &Current, deadline: Instant) -> bool {
    for session in current.obeyed(&tracker.clock) {
        if session.has_rest() && settle(tracker, &session, deadline).await.is_err() {
            return false;
        }
    }
    true
}

async fn settle_one(
    tracker: &Tracker,
    session: &Session,
    mut waiting: WaitingBookmark,
    deadline: Instant,
) -> Result<(), BookmarkProblem> {
    if waiting.is_early() {
        return Err(problem(tracker, &waiting));
    }
    let look = || try_settle(tracker, session, &mut waiting);
    match tracker.wait_until(deadline, look).await {
        Some(end) => {
            // Also what is refused: that is said once, and a session that everybody shares must not fail for ever.
            session.settled_bookmark(&waiting);
            end
        }
        None => {
            session.note_waiting(&waiting);
            Err(problem(tracker, &waiting))
        }
    }
}

/// Does what can be done about it by what is known now: lets the session need what it stands for, or asks whoever may know.
fn try_settle(
    tracker: &Tracker,
    session: &Session,
    waiting: &mut WaitingBookmark,
) -> Look<Result<(), BookmarkProblem>> {
    let (clock, mark) = (&tracker.clock.writes, &waiting.mark);
    let asked = waiting
        .question
        .is_some_and(|asked| clock.captures().is_answered(asked));
    match worth(clock, mark, asked) {
        Worth::Foreign if session.forgives_foreign() => {}
        Worth::Foreign => return Look::Met(Err(BookmarkProblem::OtherCluster)),
        Worth::Known => {
            match mark {
                Asks::At(position) => session.raise(clock, clock.epoch(), position.lsn.0),
                Asks::Executed(set) => match clock.place_of(set) {
                    Some((epoch, number)) => session.raise(clock, epoch, number),
                    // Another history has begun meanwhile.
                    None => see_what_is_there(clock, session),
                },
                Asks::Nothing | Asks::Primary { .. } => {}
            }
            pin(tracker, session);
        }
        Worth::Older => {
            tracker.count(ClusterCounter::Exchanged);
            let epoch = clock.epoch();
            if let Some(first) = clock.first_of(epoch) {
                session.raise(clock, epoch, first);
            }
            pin(tracker, session);
        }
        Worth::Told => {
            see_what_is_there(clock, session);
            pin(tracker, session);
        }
        Worth::False => {
            tracker.count(ClusterCounter::FalseBookmark);
            see_what_is_there(clock, session);
        }
        Worth::Newer if asked && shown(tracker, waiting) == Shown::Nowhere => {
            tracker.count(ClusterCounter::LostBookmark);
            see_what_is_there(clock, session);
        }
        Worth::Newer if asked => return Look::NotYetAgainAt(ask_everyone(tracker, waiting)),
        Worth::Ahead | Worth::Newer => {
            waiting
                .question
                .get_or_insert_with(|| clock.captures().ask());
            // The primary's answer is news.
            return Look::NotYet;
        }
    }
    Look::Met(Ok(()))
}

/// Has every node asked for an epoch that none has shown yet, unless that was done a moment ago; when it is due again. The
/// answers to the last question are news as well: asking at each would be asking all the time.
fn ask_everyone(tracker: &Tracker, waiting: &mut WaitingBookmark) -> Instant {
    let last = waiting.demanded.filter(|last| last.elapsed() < CHECK_EVERY);
    let last = last.unwrap_or_else(|| {
        tracker.demand.ask();
        tracker.ask_everyone();
        Instant::now()
    });
    waiting.demanded = Some(last);
    last + CHECK_EVERY
}

/// What a bookmark is worth by what is known now.
pub(crate) fn worth(clock: &WriteClock, mark: &Asks, asked: bool) -> Worth {
    let greatest = clock.greatest();
    match mark {
        Asks::Nothing => Worth::Known,
        &Asks::At(position) => worth_at(position, greatest, clock.is_over(position.epoch), asked),
        Asks::Executed(set) => match greatest {
            Some(greatest) if greatest.epoch.cluster != ClusterId::OF_SETS => Worth::Foreign,
            Some(_) if clock.place_of(set).is_some() => Worth::Known,
            // What of it was lost is nowhere, and what was not the primary has.
            Some(_) if asked => Worth::False,
            _ => Worth::Ahead,
        },
        Asks::Primary { .. } if asked && greatest.is_some() => Worth::Told,
        Asks::Primary { .. } => Worth::Ahead,
    }
}

/// What the bookmark stands for is nowhere: nobody wrote it, or the servers were restored to an earlier moment. What
/// survived of it the primary has now, and what it has now costs a session nothing where replicas keep up.
fn see_what_is_there(clock: &WriteClock, session: &Session) {
    if let Some(now) = clock.greatest() {
        session.raise(clock, clock.epoch(), now.lsn.0);
    }
}

/// Where positions prove nothing there is only time, and when the bookmark was written nobody knows (rule C6).
fn pin(tracker: &Tracker, session: &Session) {
    session.extend_pin(Instant::now(), tracker.pin.length);
}

fn problem(tracker: &Tracker, waiting: &WaitingBookmark) -> BookmarkProblem {
    let waited = waiting.came.elapsed();
    match (
        worth(&tracker.clock.writes, &waiting.mark, false),
        &waiting.mark,
    ) {
        (Worth::Newer, Asks::At(bookmark)) => BookmarkProblem::EpochNotSeen {
            timeline: bookmark.epoch.timeline,
            waited,
        },
        _ => match tracker.snapshot.primary_name() {
            Some(node) => BookmarkProblem::NotCaughtUp {
                node,
                waited,
                limit: Some(tracker.config.setting("stale_wait").into()),
            },
            None => BookmarkProblem::NoPrimary {
                nodes: tracker.snapshot.describe(),
                waited,
                limit: Some(tracker.config.setting("stale_wait").into()),
            },
        },
    }
}

/// Whether some replica shows the bookmark's epoch, asked after it had come.
fn shown(tracker: &Tracker, waiting: &WaitingBookmark) -> Shown {
    let Asks::At(bookmark) = waiting.mark else {
        return Shown::Nowhere;
    };
    let snapshot = tracker.snapshot.load();
    let mut shown = Shown::Nowhere;
    let others = snapshot.nodes();
    for node in others.filter(|node| node.seen.role != Role::Primary) {
        let since = |told: &LastReport| told.server.is_some() && told.begun > waiting.came;
        let Some(told) = node.member.node.replayed.told().filter(since) else {
            return Shown::Unasked;
        };
        let older = matches!(told.source, Upstream::Timeline(timeline) if timeline < bookmark.epoch.timeline);
        if !(told.lsn.is_some() && older) {
            shown = Shown::Perhaps;
        }
    }
    shown
}
