//! Waiting for positions: the one loop of everybody who waits until the primary or a replica has come somewhere (a
//! condition variable's loop: look, sleep, look again).
//!
//! Each caller brings what it looks for, and knows what it means when its time is over. Of a change of the topology
//! nobody has to be told here: a new primary or replica is asked how far it has come, and the answer is what wakes.
//! Nor of a cluster that is closed: then nobody answers any more, and the wait ends at its deadline, as it does where
//! no server answers.

use std::{pin::pin, time::Instant};

use tokio::sync::Notify;

/// What one look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look<T> {
    /// What was waited for is there.
    Met(T),
    /// Not yet: there is another look when somebody says how far it has come.
    NotYet,
    /// Not yet: and another look at this moment, also when nobody has said anything.
    NotYetAgainAt(Instant),
}

/// Looks at once, and again whenever there is news; nothing when the deadline comes first. There is no look after it: what
/// comes in that moment is for whoever comes next. A deadline that is over gives one look.
pub(super) async fn wait_until<T>(
    news: &Notify,
    deadline: Instant,
    mut look: impl FnMut() -> Look<T>,
) -> Option<T> {
    loop {
        let mut told = pin!(news.notified());
        // From here on nothing is missed, whatever is looked at next.
        told.as_mut().enable();
        let until = match look() {
            Look::Met(met) => return Some(met),
            Look::NotYet => deadline,
            Look::NotYetAgainAt(again) => again.min(deadline),
        };
        let slept = tokio::time::timeout_at(until.into(), told).await;
        if slept.is_err() && (until == deadline || Instant::now() >= deadline) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::Notify;

    use super::{Look, wait_until};

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test]
    async fn what_is_there_is_found_although_no_time_is_left() {
        let news = Notify::new();
        let found = wait_until(&news, Instant::now(), || Look::Met(7)).await;
        assert_eq!(found, Some(7));
    }

    #[tokio::test]
    async fn news_that_comes_during_a_look_is_not_missed() {
        let (news, mut looks) = (Notify::new(), 0);
        let look = || {
            looks += 1;
            // As if it came between what the look read and the sleep.
            news.notify_waiters();
            match looks {
                3 => Look::Met(()),
                _ => Look::NotYet,
            }
        };
        assert_eq!(wait_until(&news, late(), look).await, Some(()));
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn without_news_there_is_one_look_and_the_deadline_ends_it() {
        let (news, mut looks) = (Notify::new(), 0);
        let look = || -> Look<()> {
            looks += 1;
            Look::NotYet
        };
        assert_eq!(wait_until(&news, soon(), look).await, None);
        assert_eq!(looks, 1);
    }

    #[tokio::test]
    async fn a_look_that_was_ordered_comes_without_news_but_not_behind_the_deadline() {
        let (news, mut looks) = (Notify::new(), 0);
        let look = || {
            looks += 1;
            match looks {
                2 => Look::Met(()),
                _ => Look::NotYetAgainAt(soon()),
            }
        };
        assert_eq!(wait_until(&news, late(), look).await, Some(()));
        let never = || -> Look<()> { Look::NotYetAgainAt(late()) };
        assert_eq!(wait_until(&news, soon(), never).await, None);
    }
}
