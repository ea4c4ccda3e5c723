//! Holds a bookmark against what is known of the cluster (rules C10, C11).
//!
//! A bookmark comes from outside and may say anything. It never raises the cluster's epoch and never holds up another
//! session: at the most it costs one shared capture, and the session that brought it a wait.

use std::{
    cmp::Ordering,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{shared::Shared, worker::Message};
use crate::{
    error::Error,
    metrics::ClusterCounter,
    position::Position,
    session::{Clock, Session, Told, Upstream},
    state::Event,
    words::Role,
};

/// How often all nodes are asked for an epoch that none has shown yet.
const CHECK_EVERY: Duration = Duration::from_millis(500);

/// What a bookmark is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is of another cluster.
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
}

/// Judges it by the greatest position of the primary. `asked`: that was told after the bookmark had come. `over`: its
/// epoch was that of the primary once, and is no more, whatever its number: after a restore it may be the greater one,
/// or another cluster's.
pub(crate) fn judge(
    bookmark: Position,
    greatest: Option<Position>,
    (over, asked): (bool, bool),
) -> Worth {
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

/// Holds every bookmark that this session brought against the primary, until the deadline.
///
/// # Errors
/// [`Error::OtherCluster`], [`Error::EpochNotSeen`].
pub(crate) async fn settle(
    shared: &Arc<Shared>,
    session: &Session,
    deadline: Instant,
) -> Result<(), Error> {
    for bookmark in session.bookmarks() {
        settle_one(shared, session, bookmark, deadline).await?;
    }
    Ok(())
}

async fn settle_one(
    shared: &Arc<Shared>,
    session: &Session,
    bookmark: Position,
    deadline: Instant,
) -> Result<(), Error> {
    let (clock, came) = (&shared.clock, Instant::now());
    let (mut question, mut demanded) = (None, None);
    loop {
        let mut news = std::pin::pin!(clock.news.notified());
        // From here on nothing is missed, whatever is looked at next.
        news.as_mut().enable();
        let asked = question.is_some_and(|question| clock.is_answered(question));
        let over = clock.is_over(bookmark.epoch);
        match judge(bookmark, clock.greatest(), (over, asked)) {
            Worth::Foreign => {
                // Said once: a session that everybody shares must not fail for ever.
                session.settled_bookmark(bookmark);
                if session.forgives_foreign() {
                    return Ok(());
                }
                return Err(Error::OtherCluster);
            }
            Worth::Known => {
                session.raise(clock, clock.epoch(), bookmark.lsn.0);
                pin(shared, session);
                break;
            }
            Worth::Older => {
                shared.metrics.count(ClusterCounter::Exchanged);
                let epoch = clock.epoch();
                if let Some(first) = clock.first_of(epoch) {
                    session.raise(clock, epoch, first);
                }
                pin(shared, session);
                break;
            }
            Worth::False => {
                shared.metrics.count(ClusterCounter::FalseBookmark);
                see_what_is_there(clock, session);
                break;
            }
            Worth::Newer if asked => match shown(shared, bookmark, came) {
                Shown::Nowhere => {
                    shared.metrics.count(ClusterCounter::LostBookmark);
                    see_what_is_there(clock, session);
                    break;
                }
                Shown::Unasked | Shown::Perhaps => {
                    // The answers to the last question are news as well: asking at each would be asking all the time.
                    if demanded.is_none_or(|last: Instant| last.elapsed() >= CHECK_EVERY) {
                        demanded = Some(Instant::now());
                        shared.demand.ask();
                        shared.tell(Message::News(Event::AskAll));
                    }
                }
            },
            Worth::Ahead | Worth::Newer => {
                question.get_or_insert_with(|| clock.ask());
            }
        }
        let again = demanded.map_or(deadline, |last| deadline.min(last + CHECK_EVERY));
        if tokio::time::timeout_at(again.into(), news).await.is_err() && Instant::now() >= deadline
        {
            return Err(given_up(bookmark, clock.greatest(), came));
        }
    }
    session.settled_bookmark(bookmark);
    Ok(())
}

/// What it stands for is nowhere: nobody wrote it, or the servers were restored to an earlier moment. What survived of
/// it the primary has now, and what it has now costs a session nothing where replicas keep up.
fn see_what_is_there(clock: &Clock, session: &Session) {
    if let Some(now) = clock.greatest() {
        session.raise(clock, clock.epoch(), now.lsn.0);
    }
}

/// Where positions prove nothing there is only time, and when the bookmark was written nobody knows (rule C6).
fn pin(shared: &Shared, session: &Session) {
    session.pinned(Instant::now(), shared.settings.pin);
}

fn given_up(bookmark: Position, greatest: Option<Position>, came: Instant) -> Error {
    let waited = came.elapsed();
    match judge(bookmark, greatest, (false, false)) {
        Worth::Newer => Error::EpochNotSeen {
            timeline: bookmark.epoch.timeline,
            waited,
        },
        _ => Error::NotCaughtUp {
            node: "primary".to_owned(),
            waited,
        },
    }
}

/// Whether some replica shows the bookmark's epoch, asked after it had come.
fn shown(shared: &Shared, bookmark: Position, came: Instant) -> Shown {
    let snapshot = shared.snapshot.load();
    let nodes = snapshot.view.nodes().iter().zip(snapshot.members());
    let mut shown = Shown::Nowhere;
    for (_, member) in nodes.filter(|(node, _)| node.role != Role::Primary) {
        let since = |told: &Told| told.server.is_some() && told.begun > came;
        let Some(told) = member.node.replayed.told().filter(since) else {
            return Shown::Unasked;
        };
        let older = matches!(told.source, Upstream::Timeline(timeline) if timeline < bookmark.epoch.timeline);
        if !(told.lsn.is_some() && older) {
            shown = Shown::Perhaps;
        }
    }
    shown
}
