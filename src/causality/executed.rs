//! How far MySQL's servers have come, as numbers of one order (rule C16).
//!
//! What the primary tells, time after time, are sets of which each contains the one before. So these stand in one order, and
//! how many transactions one has is its number. A replica has come as far as the last of them of which it has everything:
//! readers compare one word then, as with every other system. How many a replica has itself says nothing.

use std::{collections::VecDeque, mem};

use crate::position::GtidSet;

/// How many of the sets that the primary told are known apart. A replica that lacks something of the first one counts as one
/// that has nothing.
const MOST_RUNGS: usize = 1024;

/// What a primary has executed, by its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) set: GtidSet,
    /// The identifier of the server that says so: whose transactions it writes.
    pub(crate) server: u128,
}

/// What came in from one set that the primary told to the next one.
#[derive(Debug)]
struct Rung {
    /// The number of the one before.
    below: u64,
    added: GtidSet,
}

/// The sets that one history's primary told, each on top of the one before.
#[derive(Debug)]
struct Ladder {
    /// The first one that is known apart, and the last one with its number.
    foot: GtidSet,
    top: GtidSet,
    number: u64,
    rungs: VecDeque<Rung>,
}

impl Ladder {
    fn new(told: &GtidSet) -> Self {
        Self {
            foot: told.clone(),
            top: told.clone(),
            number: told.count(),
            rungs: VecDeque::new(),
        }
    }

    /// Puts another set on top; whether it has everything of the last one.
    fn climb(&mut self, told: &GtidSet) -> bool {
        if !told.contains(&self.top) {
            return false;
        }
        let added = told.without(&self.top);
        if added.is_empty() {
            return true;
        }
        let below = mem::replace(&mut self.number, told.count());
        self.rungs.push_back(Rung { below, added });
        self.top = told.clone();
        if self.rungs.len() > MOST_RUNGS
            && let Some(first) = self.rungs.pop_front()
        {
            self.foot.add(&first.added);
        }
        true
    }

    /// The number of the last one of which this set has everything; 0 where it lacks some of each.
    fn reached_by(&self, set: &GtidSet) -> u64 {
        if set.contains(&self.top) {
            return self.number;
        }
        if !set.contains(&self.foot) {
            return 0;
        }
        let mut rungs = self.rungs.iter();
        let first = rungs.find(|rung| !set.contains(&rung.added));
        first.map_or(self.number, |rung| rung.below)
    }

    /// The first set with at least this number; the last one where none has.
    fn at(&self, number: u64) -> GtidSet {
        let mut set = self.foot.clone();
        for rung in self.rungs.iter().take_while(|rung| rung.below < number) {
            if set.count() >= number {
                break;
            }
            set.add(&rung.added);
        }
        set
    }
}

impl Ladder {
    /// The number of the first one that has everything of this set; nothing where none has.
    fn number_of(&self, set: &GtidSet) -> Option<u64> {
        if !self.top.contains(set) {
            return None;
        }
        let mut left = set.without(&self.foot);
        let mut rungs = self.rungs.iter().peekable();
        let foot = rungs.peek().map_or(self.number, |rung| rung.below);
        if left.is_empty() {
            return Some(foot);
        }
        while let Some(rung) = rungs.next() {
            left = left.without(&rung.added);
            if left.is_empty() {
                return Some(rungs.peek().map_or(self.number, |next| next.below));
            }
        }
        None
    }
}

/// What comes of what a primary told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The history of before, further on.
    GoesOn,
    /// Something of before is not there any more: another history.
    Begins,
    /// A transaction has the identifier of another one that was given up: a replica that shows it may have either.
    Reused,
}

/// What a cluster's primaries told, one after another.
#[derive(Debug, Default)]
pub(super) struct ExecutedHistory {
    ladder: Option<Ladder>,
    /// Whatever is told next begins another history.
    ends: bool,
    /// What was there in earlier ones and was not in a later one.
    gone: GtidSet,
    /// What replicas have told that the primary had not told by then; and of that, what was told before it was asked last.
    ahead: GtidSet,
    ahead_when_asked: GtidSet,
    /// When the server was started that told last.
    started: u64,
    is_reused: bool,
}

impl ExecutedHistory {
    /// The primary is asked now.
    pub(super) fn ask(&mut self) {
        if self.ahead != self.ahead_when_asked {
            self.ahead_when_asked = self.ahead.clone();
        }
    }

    /// Another history begins with what is told next.
    pub(super) fn end(&mut self) {
        self.ends = true;
    }

    /// Takes in what the primary told, whose server was started then.
    pub(super) fn take(&mut self, told: &Executed, started: u64) -> Taken {
        let now = &told.set;
        let was = self.ladder.as_ref().map(|ladder| &ladder.top);
        let lost = was.map(|was| was.without(now)).unwrap_or_default();
        // A server that lacks some of its own numbers gives them anew: its log was emptied, or a crash took its end. Those that
        // it shows again already may be of either time.
        self.is_reused |= !lost.written_by(told.server).is_empty();
        if mem::replace(&mut self.started, started) != started {
            // While it runs, a replica may be a moment ahead of what it says.
            let own = self.ahead_when_asked.written_by(told.server);
            self.is_reused |= !own.without(now).is_empty();
        }
        self.ahead = self.ahead.without(now);
        self.is_reused |= self.gone.meets(now);
        if self.is_reused {
            self.ladder = None;
            return Taken::Reused;
        }
        let ends = mem::take(&mut self.ends);
        if !ends && self.ladder.as_mut().is_some_and(|ladder| ladder.climb(now)) {
            return Taken::GoesOn;
        }
        self.ladder = Some(Ladder::new(now));
        self.gone.add(&lost);
        Taken::Begins
    }

    /// How far a replica has come that has executed this; nothing where no primary has told anything that counts.
    pub(super) fn reached_by(&mut self, set: &GtidSet) -> Option<u64> {
        let ladder = self.ladder.as_ref().filter(|_| !self.ends)?;
        if !ladder.top.contains(set) {
            self.ahead.add(&set.without(&ladder.top));
        }
        Some(ladder.reached_by(set))
    }

    /// What whoever has come so far has executed at least.
    pub(super) fn at(&self, number: u64) -> Option<GtidSet> {
        let ladder = self.ladder.as_ref().filter(|_| !self.ends)?;
        Some(ladder.at(number))
    }

    /// How far whoever has executed this has come at least; nothing where the primary has not told all of it.
    pub(super) fn number_of(&self, set: &GtidSet) -> Option<u64> {
        let ladder = self.ladder.as_ref().filter(|_| !self.ends)?;
        ladder.number_of(set)
    }

    /// Whether nothing that servers say proves anything any more.
    pub(super) fn is_reused(&self) -> bool {
        self.is_reused
    }
}
