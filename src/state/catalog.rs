//! When the server's catalog is read again, and from whom (I5): a debounced schedule with one reading at a time.
//!
//! It is the primary's. Only a cluster that started without its primary reads a replica's, or every read would be
//! refused for not being known as one; what is found there is provisional, and never believed after DDL of our own.
//!
//! After each reading a rest that grows with what it took. What changed while it ran stays in doubt until the next one.
//! Reading again at once, until one was disturbed by nothing, kept a busy schema's catalog unknown for ever, and the
//! primary busy.

use std::time::Duration;

use super::eligible::ineligible;
use super::step::Step;
use super::{CatalogNews, Effect, Moment, Reading, State};
use crate::vocabulary::{NodeId, Role};

/// After a failed reading the next one waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// After DDL of our own, it rests for so many times what the last one took.
const REST: u32 = 4;

/// After DDL of our own, the longest rest.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// What is only wished for waits so long after the last reading; in vain, twice as long the next time.
const WISH_EVERY: Duration = Duration::from_secs(2);
const WISH_SELDOM: Duration = Duration::from_secs(60);

/// The schedule of readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct CatalogSchedule {
    /// Only a real server has a catalog to read.
    exists: bool,
    next: Option<Moment>,
    /// Since when one runs.
    reading: Option<Moment>,
    /// How long the next one rests after the last.
    rests_until: Option<Moment>,
    /// From when on a wish is heard, and how long after the last reading that was.
    wishes_from: Option<Moment>,
    wish_gap: Option<Duration>,
    by_wish: bool,
    again: bool,
    /// What is known comes from a replica.
    provisional: bool,
    /// There was DDL of our own that no reading has seen: a replica's catalog may lack it.
    changed: bool,
    /// The cluster has slept since the last one: others may have changed the schema.
    slept: bool,
}

impl CatalogSchedule {
    /// When the next reading begins.
    pub(super) fn next_tick(&self) -> Option<Moment> {
        self.next.filter(|_| self.reading.is_none())
    }

    /// Whether the catalog is being read.
    pub(super) fn is_read(&self) -> bool {
        self.reading.is_some()
    }

    fn no_later_than(&mut self, at: Moment) {
        let next = self.next.map_or(at, |next| next.min(at));
        self.next = Some(next).filter(|_| self.exists);
    }

    fn wish(&mut self, now: Moment) {
        // One that runs may tell it, too.
        if self.reading.is_none() {
            let soon = now.after(WISH_EVERY);
            self.by_wish |= self.next.is_none_or(|next| next > soon);
            self.no_later_than(self.wishes_from.unwrap_or(now));
        }
    }

    fn change(&mut self, now: Moment) {
        self.changed = true;
        match self.reading {
            Some(_) => self.again = true,
            None => self.no_later_than(self.rests_until.unwrap_or(now)),
        }
    }

    fn ended(&mut self, now: Moment, role: Role, reading: Reading, every: Option<Duration>) {
        let took = self
            .reading
            .take()
            .map_or(Duration::ZERO, |begun| now.since(begun));
        let rests_until = now.after((took * REST).min(LONGEST_REST));
        self.rests_until = Some(rests_until);
        let by_wish = std::mem::take(&mut self.by_wish);
        let again = std::mem::take(&mut self.again);
        let gap = self.wish_gap.unwrap_or(WISH_EVERY);
        match reading {
            Reading::Failed => self.next = Some(now.after(RETRY_AFTER)),
            _ if self.disbelieves(role) => self.next = Some(now),
            Reading::Known | Reading::New => {
                self.wish_gap = match (reading, by_wish) {
                    (Reading::Known, true) => Some((gap * 2).min(WISH_SELDOM)),
                    (Reading::Known, false) => self.wish_gap,
                    _ => None,
                };
                self.provisional = role != Role::Primary;
                self.changed &= again || role != Role::Primary;
                self.next = every.map(|every| now.after(every));
            }
        }
        if again {
            self.no_later_than(rests_until);
        }
        self.wishes_from = Some(now.after(self.wish_gap.unwrap_or(WISH_EVERY)));
    }

    /// Whether what a node of this role says may lack what we have changed.
    fn disbelieves(&self, role: Role) -> bool {
        self.changed && role != Role::Primary
    }
}

/// The cluster falls asleep: nothing is read, and once there is a primary again it is asked for what others have changed.
pub(super) fn rest(schedule: &mut CatalogSchedule) {
    schedule.next = None;
    schedule.slept = schedule.exists;
}

/// There is a primary.
pub(super) fn found_primary(step: &mut Step<'_>) {
    let (now, schedule) = (step.now, &mut step.state.catalog);
    if std::mem::take(&mut schedule.slept) {
        schedule.no_later_than(now);
    }
}

pub(super) fn news(step: &mut Step<'_>, news: CatalogNews) {
    let (now, every) = (step.now, step.state.tuning.catalog_refresh);
    let schedule = &mut step.state.catalog;
    match news {
        CatalogNews::Exists { read } => {
            schedule.exists = true;
            schedule.next = match read {
                true => every.map(|every| now.after(every)),
                false => Some(now),
            };
        }
        CatalogNews::Changed => schedule.change(now),
        CatalogNews::Wished => schedule.wish(now),
        CatalogNews::Read(role, reading) => {
            schedule.ended(now, role, reading, every);
            if let Some(at) = schedule.wishes_from {
                step.out.push(Effect::HearWishes { at });
            }
        }
    }
}

/// Begins the reading whose time has come.
pub(super) fn tick(step: &mut Step<'_>) {
    if step
        .state
        .catalog
        .next_tick()
        .is_some_and(|at| at <= step.now)
    {
        let replica = match step.state.primary_was_seen() || step.state.catalog.changed {
            true => None,
            false => step.state.some_replica(),
        };
        begin(step, replica);
    }
}

/// A node has answered. What a replica said of the catalog does only until the primary can be asked.
pub(super) fn answered(step: &mut Step<'_>) {
    let schedule = &step.state.catalog;
    if schedule.provisional && schedule.reading.is_none() && step.state.primary_was_seen() {
        begin(step, None);
    }
}

fn begin(step: &mut Step<'_>, replica: Option<NodeId>) {
    let (role, node) = match replica {
        Some(_) => (Role::Replica, replica),
        None => {
            let mut members = step.state.members();
            let primary = members.find(|node| node.role == Role::Primary);
            (Role::Primary, primary.map(|node| node.id))
        }
    };
    let schedule = &mut step.state.catalog;
    schedule.reading = Some(step.now);
    schedule.next = None;
    step.out.answer(Effect::ReadCatalog { role, node });
}

impl State {
    /// Whether a catalog that was read from a node of this role is to be taken.
    #[must_use]
    pub(crate) fn believes_catalog_of(&self, role: Role) -> bool {
        !self.catalog.disbelieves(role)
    }

    fn primary_was_seen(&self) -> bool {
        self.primary().is_some_and(|primary| primary.probe.seen)
    }

    /// A replica that serves reads.
    fn some_replica(&self) -> Option<NodeId> {
        let mut members = self.members();
        let replica = members.find(|node| ineligible(node, self).is_none());
        replica.map(|node| node.id)
    }
}
