//! Verdicts by text, and the one place that judges for the router.
//!
//! A hit allocates nothing and writes nothing that two threads share. Two maps take turns: when the young one holds its
//! half of the budget, the old one is emptied and becomes the young one, so the bound is held without tracking use;
//! what is still asked for moves over without being judged again. One map that is cleared when full would make every
//! hot text pay a parse at once; a least-recently-used list would make every hit a write.

mod digest;
mod learning;
mod local;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use sea_orm::DbBackend;

use super::catalog::resolve;
use super::change::Change;
use super::dialect::Dialect;
use super::doubt::Doubt;
use super::ending;
use super::judged::{Ruling, TextKind, Traits};
use super::knowledge::Knowledge;
use super::settings::Settings;
use super::{Verdict, judge};
use super::{inside, keyword};
use crate::vocabulary::{Intent, Reason};
use digest::{Digests, Room};

/// What an entry costs beside its text: the box, the map's slot, the entry's head.
const OVERHEAD: usize = 96;

/// How many corrected texts are remembered by their hash; above it the memory starts anew, and the safety net works
/// for each of them once more.
const CORRECTIONS: usize = 4096;

/// What a text was judged to be, or the start of a transaction by its options, as the hot path carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Classification {
    pub(crate) intent: Intent,
    pub(crate) reason: Reason,
    pub(crate) kind: TextKind,
    /// Every function is built in (I6).
    pub(crate) functions_built_in: bool,
    /// May reach beyond this server (I6).
    pub(crate) may_act_outside: bool,
    /// May change the schema; [`Classifier::change`] tells what of it.
    pub(crate) ddl: bool,
    /// Something in it is only not known yet.
    pub(crate) unknown: bool,
    /// A transaction begins, by a call and not by a text.
    pub(crate) begins: bool,
}

impl Classification {
    /// A classification of which no more is known than this: of what is not judged, or not sent.
    pub(crate) const fn new(intent: Intent, reason: Reason) -> Self {
        Self {
            intent,
            reason,
            kind: TextKind::Other,
            functions_built_in: false,
            may_act_outside: false,
            ddl: false,
            unknown: false,
            begins: false,
        }
    }

    /// The start of a transaction. `read_only`: it may begin on a replica.
    pub(crate) const fn of_begin(read_only: bool) -> Self {
        let judged = match read_only {
            true => Self::new(Intent::Read, Reason::ReadOnlyTransaction),
            false => Self::new(Intent::Write, Reason::Transaction),
        };
        Self {
            begins: true,
            ..judged
        }
    }

    fn of(ruling: &Ruling, traits: Traits) -> Self {
        Self {
            intent: ruling.intent,
            reason: ruling.reason,
            kind: traits.kind,
            functions_built_in: traits.functions_built_in,
            may_act_outside: traits.may_act_outside,
            ddl: traits.ddl,
            unknown: traits.unknown,
            begins: false,
        }
    }

    fn decided(decided: keyword::Decided<'_>) -> Self {
        Self {
            kind: decided.kind,
            ddl: decided.ddl,
            ..Self::new(Intent::Write, Reason::Write)
        }
    }

    /// Whether its return pins reads: a statement that only asks for the primary may still call what writes. A transaction
    /// counts when it ends.
    pub(crate) fn may_write(self) -> bool {
        self.intent != Intent::Read && !self.begins
    }

    /// Whether a transaction begins that may run on a replica.
    pub(crate) fn begins_read_only(self) -> bool {
        self.begins && self.intent == Intent::Read
    }

    /// Whether I6 may run the text once more on the primary after a replica refused it as a write.
    pub(crate) const fn may_be_corrected(self) -> bool {
        self.is_plain() && self.functions_built_in && !self.may_act_outside
    }

    /// Whether an error answer to this text means that nothing was done (T9).
    pub(crate) const fn is_plain(self) -> bool {
        match self.kind {
            TextKind::Plain => true,
            TextKind::Empty | TextKind::Other | TextKind::Several => false,
        }
    }
}

/// What changed since the last reading began, and before that.
#[derive(Debug, Default)]
struct Doubts {
    before: Doubt,
    since: Doubt,
}

#[derive(Debug)]
struct Entry {
    summary: Classification,
    generation: u64,
}

type Map = papaya::HashMap<Box<str>, Entry, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Half {
    map: Map,
    bytes: AtomicUsize,
}

/// Judges texts for one cluster.
#[derive(Debug)]
pub(crate) struct Classifier {
    dialect: Option<Dialect>,
    settings: Settings,
    halves: [Half; 2],
    young: AtomicUsize,
    knowledge: ArcSwap<Knowledge>,
    doubts: Mutex<Doubts>,
    /// Grows with each change of the knowledge; an entry of another generation is no hit.
    generation: AtomicU64,
    corrections: papaya::HashMap<u64, (), foldhash::fast::RandomState>,
    hasher: foldhash::fast::RandomState,
    digests: Digests,
    misses: AtomicU64,
    /// A session reads strings in another way than the lexer.
    strange_strings: AtomicBool,
}

impl Classifier {
    pub(crate) fn new(backend: DbBackend, settings: Settings, knowledge: Knowledge) -> Self {
        Self {
            dialect: Dialect::of(backend),
            settings,
            halves: [Half::default(), Half::default()],
            young: AtomicUsize::new(0),
            knowledge: ArcSwap::from_pointee(knowledge),
            doubts: Mutex::default(),
            generation: AtomicU64::new(1),
            corrections: papaya::HashMap::default(),
            hasher: foldhash::fast::RandomState::default(),
            digests: Digests::default(),
            misses: AtomicU64::new(0),
            strange_strings: AtomicBool::new(false),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many texts were judged because the cache held no verdict of them. Hits are not counted: a counter that all
    /// threads write would cost more than the lookup.
    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// What the cache holds, by its own account.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        let [first, second] = &self.halves;
        first.bytes.load(Ordering::Relaxed) + second.bytes.load(Ordering::Relaxed)
    }

    /// Texts with a sign that ends a string for one and not for the other are not judged from now on: some session sees other
    /// strings in them than the lexer does, and with that other statements. Without one, both see the same. Whether that is
    /// new.
    pub(crate) fn distrust_strings(&self) -> bool {
        let new = !self.strange_strings.swap(true, Ordering::AcqRel);
        if new {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        new
    }

    /// Whether a verdict on this text holds no more.
    #[inline]
    pub(crate) fn distrusts(&self, sql: &str) -> bool {
        self.strange_strings.load(Ordering::Acquire)
            && sql.contains(self.dialect.map_or(&[][..], Dialect::signs_of_strings))
    }

    /// The verdict on a text; the hot path.
    pub(crate) fn verdict(&self, sql: &str) -> Classification {
        if self.distrusts(sql) || sql.as_bytes().first() == Some(&digest::SIGN) {
            return self.judge(sql);
        }
        if let Some(decided) = self
            .dialect
            .and_then(|dialect| keyword::decide(dialect, sql))
        {
            return Classification::decided(decided);
        }
        let mut room = digest::ROOM;
        let key = self.key(sql, &mut room);
        let generation = self.generation.load(Ordering::Acquire);
        let young = self.young.load(Ordering::Acquire);
        if let Some(found) = self.find(young, key, generation) {
            return found;
        }
        let summary = match self.find(1 - young, key, generation) {
            Some(found) => found,
            None => self.judge(sql),
        };
        self.keep(
            key,
            Entry {
                summary,
                generation,
            },
        );
        summary
    }

    /// What a text is kept under.
    fn key<'a>(&self, sql: &'a str, room: &'a mut Room) -> &'a str {
        if sql.len() > self.settings.longest_cached() {
            self.digests.write(sql, room).unwrap_or(sql)
        } else {
            sql
        }
    }

    /// What this text changes of the schema. Only where its verdict says that it may is it looked at again.
    pub(crate) fn change(&self, sql: &str) -> Change {
        let decided = self
            .dialect
            .and_then(|dialect| keyword::decide(dialect, sql));
        let may = match decided {
            // It may hold other statements than those that are seen here.
            _ if self.distrusts(sql) => return Change::Anything,
            Some(decided) => decided.ddl,
            None => self.verdict(sql).ddl,
        };
        match may {
            true => Change::of(self.dialect, sql),
            false => Change::Nothing,
        }
    }

    /// Whether the text may end the transaction that it runs in (T9).
    pub(crate) fn may_end_transaction(&self, sql: &str) -> bool {
        // There every definition and many a setting commits what came before it.
        let silently = self.dialect == Some(Dialect::MySql);
        (silently || ending::has_word(sql)) && !self.verdict(sql).is_plain()
    }

    /// Whether the text belongs to a transaction itself, so that it is at home wherever that runs (R6).
    pub(crate) fn belongs_inside(&self, sql: &str) -> bool {
        let knowledge = self.knowledge.load();
        !self.distrusts(sql)
            && self.dialect.is_some_and(|dialect| {
                inside::belongs(dialect, sql, &self.settings, knowledge.basis())
            })
    }

    /// The verdict with the part that decided; judges anew, for `explain`.
    pub(crate) fn explain(&self, sql: &str) -> Verdict {
        Verdict::of(self.judge_in_full(sql).0)
    }

    /// A replica refused this text as a write, and the primary took it: from now on it is one.
    pub(crate) fn correct(&self, sql: &str) {
        let corrections = self.corrections.pin();
        if corrections.len() >= CORRECTIONS {
            corrections.clear();
        }
        corrections.insert(self.hash(sql), ());
        let generation = self.generation.load(Ordering::Acquire);
        let summary = self.judge(sql);
        let mut room = digest::ROOM;
        self.keep(
            self.key(sql, &mut room),
            Entry {
                summary,
                generation,
            },
        );
    }

    fn hash(&self, sql: &str) -> u64 {
        std::hash::BuildHasher::hash_one(&self.hasher, sql)
    }

    fn half(&self, which: usize) -> &Half {
        let [first, second] = &self.halves;
        if which == 0 { first } else { second }
    }

    fn find(&self, which: usize, key: &str, generation: u64) -> Option<Classification> {
        let map = self.half(which).map.pin();
        let entry = map.get(key)?;
        (entry.generation == generation).then_some(entry.summary)
    }

    fn judge(&self, sql: &str) -> Classification {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (ruling, mut traits) = self.judge_in_full(sql);
        if ruling.intent != Intent::Read {
            traits.ddl = !Change::of(self.dialect, sql).is_nothing();
        }
        Classification::of(&ruling, traits)
    }

    fn judge_in_full(&self, sql: &str) -> (Ruling, Traits) {
        if self.distrusts(sql) {
            let why = self.dialect.map_or("", Dialect::strange_strings);
            let ruling = Ruling::new(Intent::Primary, Reason::Unparsed, why);
            let traits = Traits {
                kind: TextKind::Several,
                ..Traits::default()
            };
            return (ruling, traits);
        }
        let judged = judge(self.dialect, sql, &self.settings);
        let knowledge = self.knowledge.load();
        let (ruling, traits) = resolve::resolve(&judged, knowledge.basis());
        // A false match of two hashes makes a read a write, which is slow and never wrong.
        let corrections = self.corrections.pin();
        if ruling.intent == Intent::Read
            && !corrections.is_empty()
            && corrections.contains_key(&self.hash(sql))
        {
            let corrected = Ruling::new(Intent::Write, Reason::Write, "refused by a replica");
            return (corrected, traits);
        }
        (ruling, traits)
    }

    fn keep(&self, key: &str, entry: Entry) {
        let cost = key.len() + OVERHEAD;
        let budget = self.settings.cache_budget() / 2;
        if cost > budget {
            return;
        }
        let mut young = self.young.load(Ordering::Acquire);
        if self.half(young).bytes.load(Ordering::Relaxed) + cost > budget {
            // Of several threads that see it full, one turns the halves.
            if self
                .young
                .compare_exchange(young, 1 - young, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                let emptied = self.half(1 - young);
                emptied.map.pin().clear();
                emptied.bytes.store(0, Ordering::Relaxed);
            }
            young = 1 - young;
        }
        let half = self.half(young);
        if half.map.pin().insert(key.into(), entry).is_none() {
            half.bytes.fetch_add(cost, Ordering::Relaxed);
        }
    }
}
