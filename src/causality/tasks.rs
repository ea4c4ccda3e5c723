//! The scope `task`: a session for each tokio task that wrote (rule C8).
//!
//! An entry is made by a task's first write and goes when every replica covers it. Over the limit the oldest are folded
//! into one session that all tasks obey, so memory is bounded and no freshness is lost. Reads look up without a lock;
//! writers and those who remove take turns, so that nothing is written to an entry that has just gone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use papaya::HashMap;
use tokio::task::Id;

use super::{ReadRequirement, pin::Mark, session::Session, write_clock::WriteClock};

/// How many tasks are remembered apart.
const LIMIT: usize = 4096;

#[derive(Default)]
pub(crate) struct Tasks {
    sessions: HashMap<Id, Arc<Session>, foldhash::fast::RandomState>,
    /// In the order of their first writes.
    order: Mutex<VecDeque<Id>>,
    /// The tasks over the limit, as one session.
    folded: Arc<Session>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("len", &self.len()).finish()
    }
}

impl Tasks {
    /// What a read of this task needs.
    pub(super) fn need(&self, clock: &WriteClock, task: Id) -> ReadRequirement {
        // In this order: what leaves the first place is in the second one by then.
        let own = self.get(task).map(|session| session.need(clock));
        let folded = self.folded.need(clock);
        own.map_or(folded, |own| own.and(folded))
    }

    /// Whether reads of this task keep to the primary, where there is only time.
    pub(super) fn is_pinned(&self, clock: &WriteClock, task: Id) -> bool {
        self.get(task).is_some_and(|own| own.is_pinned(clock)) || self.folded.is_pinned(clock)
    }

    /// How the task's time pin stands, or that of those over the limit.
    pub(super) fn mark(&self, clock: &WriteClock, task: Id) -> Mark {
        let own = self
            .get(task)
            .map_or(Mark::default(), |own| own.mark(clock));
        own.max(self.folded.mark(clock))
    }

    /// Whether writes of this task, or of those over the limit, have not returned, and whether some are unresolved.
    pub(super) fn open_writes(&self, clock: &WriteClock, task: Id) -> (bool, bool) {
        let own = self.get(task);
        let (waits, unresolved) = own.map_or((false, false), |own| own.open_writes(clock));
        let (folded_waits, folded_unresolved) = self.folded.open_writes(clock);
        (waits || folded_waits, unresolved || folded_unresolved)
    }

    /// The number of the last write of this task, or of those over the limit.
    pub(super) fn written(&self, clock: &WriteClock, task: Id) -> u64 {
        let own = self.get(task).map_or(0, |own| own.written(clock));
        own.max(self.folded.written(clock))
    }

    /// The task's session, if it has one.
    pub(super) fn get(&self, task: Id) -> Option<Arc<Session>> {
        self.sessions.pin().get(&task).map(Arc::clone)
    }

    /// Lets something be noted in the task's session, which is made if it is not there.
    pub(super) fn note<T>(
        &self,
        clock: &WriteClock,
        task: Id,
        note: impl FnOnce(&Arc<Session>) -> T,
    ) -> T {
        let mut order = self.order();
        let sessions = self.sessions.pin();
        let session = match sessions.get(&task) {
            Some(session) => session,
            None => {
                if order.len() >= LIMIT {
                    self.fold(clock, &mut order);
                }
                order.push_back(task);
                sessions.get_or_insert_with(task, Arc::default)
            }
        };
        note(session)
    }

    /// Folds the oldest quarter, so that it is not done for every new one.
    fn fold(&self, clock: &WriteClock, order: &mut VecDeque<Id>) {
        let sessions = self.sessions.pin();
        for _ in 0..LIMIT / 4 {
            let Some(oldest) = order.pop_front() else {
                break;
            };
            // Folded first and removed then: nobody finds it in neither place.
            if let Some(session) = sessions.get(&oldest) {
                self.folded.join(clock, session);
            }
            sessions.remove(&oldest);
        }
    }

    /// Lets those go that need nothing any more. What they needed all tasks need from then on, which costs nothing: a
    /// replica that falls behind it, or a new one, must not serve them less.
    pub(crate) fn sweep(&self, clock: &WriteClock, covered: impl Fn(ReadRequirement) -> bool) {
        let mut order = self.order();
        let sessions = self.sessions.pin();
        order.retain(|task| {
            let needed = sessions.get(task).is_some_and(|session| {
                let need = session.need(clock);
                let needed = session.has_rest() || !covered(need);
                if !needed {
                    self.folded.join(clock, session);
                }
                needed
            });
            if !needed {
                sessions.remove(task);
            }
            needed
        });
    }

    /// The tasks over the limit, as one session.
    pub(crate) fn folded(&self) -> &Arc<Session> {
        &self.folded
    }

    /// How many tasks are remembered apart.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    fn order(&self) -> MutexGuard<'_, VecDeque<Id>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
