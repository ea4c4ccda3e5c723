//! The places of a pool, and the line in front of them.
//!
//! sqlx's own line is no use to a statement that stands in several: whoever comes to its head there connects, and who
//! leaves then throws away what was being opened. Here a place is had before the pool is asked, so that leaving a line
//! costs nothing, and a connection under way belongs to a place that is held until it is there.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::NodePool;

/// Which of the lines in front of a pool somebody stands in.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// The pool's own.
    Own,
    /// A share of it first, so that those who have to be there keep the rest (rule R7).
    Share(Arc<Semaphore>),
}

/// As many as the pool has connections; without a count where the pool is not ours. First come, first served; who
/// leaves, leaves no gap.
#[derive(Clone, Debug)]
pub(crate) struct Places(Option<(Arc<Semaphore>, u32)>);

/// A place among them; its drop gives it to whoever has waited longest.
#[derive(Debug)]
pub(crate) struct Place {
    _own: Option<OwnedSemaphorePermit>,
    #[cfg_attr(
        not(feature = "stream"),
        expect(dead_code, reason = "held, and asked for by streams only")
    )]
    share: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn of(link: &NodePool) -> Self {
        let most = link.pool_size().map(|pool| pool.max);
        Self(most.map(|most| {
            let places = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS);
            let places = Semaphore::new(places.min(Semaphore::MAX_PERMITS));
            (Arc::new(places), most)
        }))
    }

    /// How many are held.
    pub(crate) fn taken(&self) -> u32 {
        self.0.as_ref().map_or(0, |(places, most)| {
            let free = u32::try_from(places.available_permits());
            most.saturating_sub(free.unwrap_or(u32::MAX))
        })
    }

    /// One that is free; never past somebody who waits.
    pub(crate) fn try_take(&self, line: &Line) -> Option<Place> {
        let share = match line {
            Line::Own => None,
            Line::Share(share) => Some(Arc::clone(share).try_acquire_owned().ok()?),
        };
        let own = match &self.0 {
            None => None,
            Some((places, _)) => Some(Arc::clone(places).try_acquire_owned().ok()?),
        };
        Some(Place { _own: own, share })
    }

    /// One as soon as it is free. In this order, so that whoever waits for its share is in nobody's way.
    pub(crate) async fn take(self, line: Line) -> Place {
        let share = match line {
            Line::Own => None,
            // Neither is ever closed.
            Line::Share(share) => share.acquire_owned().await.ok(),
        };
        let own = match self.0 {
            None => None,
            Some((places, _)) => places.acquire_owned().await.ok(),
        };
        Place { _own: own, share }
    }
}

impl Place {
    /// Whether this place is one of a share.
    #[cfg(feature = "stream")]
    pub(crate) fn is_shared(&self) -> bool {
        self.share.is_some()
    }
}
