//! What a cluster in shadow mode (`SEALANE_MODE=shadow`) would have done: counted where statements go, told on demand.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{state::TextHash, vocabulary::Reason};

/// The most texts that are looked into: an application that builds its texts has no end of them.
const MOST_TEXTS: usize = 1_000;

/// What was counted since the start. Nothing of it is touched in the other mode.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    counts: [AtomicU64; Reason::ALL.len()],
    texts: Mutex<HashMap<TextHash, Unrecognised>>,
}

/// Texts that are no proven reads because they are not understood, by the part that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Unrecognised {
    /// Why they stay on the primary.
    pub reason: Reason,
    /// The part of them that decided, as [`explain`](crate::RoutedConnection::explain) names it: never a literal.
    pub part: String,
    /// How many statements that were.
    pub statements: u64,
}

/// Statements that would have stayed on the primary for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct KeptOnPrimary {
    /// Why they stay there.
    pub reason: Reason,
    /// How many statements that were.
    pub statements: u64,
}

/// What shadow mode has seen since the start. As text it is a few lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ShadowReport {
    /// How many statements a replica would have served.
    pub replica: u64,
    /// How many would have stayed on the primary, by the reason, the most frequent first. `not_caught_up` are reads for which
    /// no replica was known to have what they had to see: at the level `eventual` they would have gone to a replica, and
    /// might have been stale. `no_replica` are also those of a `replica()` handle, which gets an error there.
    pub primary: Vec<KeptOnPrimary>,
    /// What of that is not recognised as a read, the most frequent first, of the first 1 000 texts.
    pub unrecognised: Vec<Unrecognised>,
}

impl Shadow {
    /// Notes where a statement would have gone. `part` is asked once for each text that is not understood.
    pub(crate) fn note(&self, reason: Reason, sql: Option<&str>, part: impl FnOnce() -> String) {
        self.counts[reason as usize].fetch_add(1, Ordering::Relaxed);
        let (true, Some(sql)) = (is_unrecognised(reason), sql) else {
            return;
        };
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = TextHash::of(sql);
        if let Some(known) = texts.get_mut(&hash) {
            known.statements += 1;
            return;
        }
        if texts.len() < MOST_TEXTS {
            let (part, statements) = (part(), 1);
            let text = Unrecognised {
                reason,
                part,
                statements,
            };
            texts.insert(hash, text);
        }
    }

    pub(super) fn report(&self) -> ShadowReport {
        let count = |reason: Reason| self.counts[reason as usize].load(Ordering::Relaxed);
        let kept = Reason::ALL.iter().map(|reason| KeptOnPrimary {
            reason: *reason,
            statements: count(*reason),
        });
        let kept = kept.filter(|kept| kept.reason != Reason::Shadow && kept.statements > 0);
        let mut report = ShadowReport {
            replica: count(Reason::Shadow),
            primary: kept.collect(),
            unrecognised: Vec::new(),
        };
        report.primary.sort_by_key(|kept| Reverse(kept.statements));
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        for text in texts.values() {
            let same = |one: &&mut Unrecognised| one.reason == text.reason && one.part == text.part;
            match report.unrecognised.iter_mut().find(same) {
                Some(known) => known.statements += text.statements,
                None => report.unrecognised.push(text.clone()),
            }
        }
        let order = |text: &Unrecognised| (Reverse(text.statements), text.part.clone());
        report.unrecognised.sort_by_key(order);
        report
    }
}

/// A statement stays on the primary for this reason because nobody can tell what it does.
fn is_unrecognised(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Unparsed | Reason::UnknownFunction | Reason::TooLong
    )
}

impl fmt::Display for ShadowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays: u64 = self.primary.iter().map(|kept| kept.statements).sum();
        let all = self.replica + stays;
        if all == 0 {
            return f.write_str("no statement was seen in shadow mode");
        }
        let share = |count: u64| 100 * count / all;
        writeln!(
            f,
            "of {all} statements, replicas would have served {} ({} %)",
            self.replica,
            share(self.replica)
        )?;
        writeln!(
            f,
            "the primary would have kept {stays} ({} %):",
            share(stays)
        )?;
        for kept in &self.primary {
            writeln!(f, "  {} {}", kept.statements, kept.reason)?;
        }
        if !self.unrecognised.is_empty() {
            writeln!(f, "not recognised as reads:")?;
        }
        for text in &self.unrecognised {
            writeln!(f, "  {} {}: {}", text.statements, text.reason, text.part)?;
        }
        Ok(())
    }
}
