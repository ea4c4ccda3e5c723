//! Which servers wrote what a server has: what stands in the place of a timeline where a promotion leaves none (T19).
//!
//! Of several servers that take writes the log tells who came after whom. Whoever was promoted has received what the primary
//! before it wrote, and nobody has received anything of a server that was promoted beside it. How far somebody has come tells
//! nothing of that: an old primary that stayed writable may be ahead of the new one by its number.

use super::Fact;

/// Whose transactions a server has, and up to which number of each writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writers {
    /// The server itself, as a writer.
    own: u64,
    /// The last number that it has of others: what it wrote later it wrote as the primary.
    began: u64,
    upto: Vec<(u64, u64)>,
}

impl Writers {
    /// Where all writers count in one order, as within one of MariaDB's domains; nothing where nobody has written yet.
    #[cfg_attr(
        not(any(feature = "mysql", test)),
        allow(dead_code, reason = "PostgreSQL's servers show timelines")
    )]
    pub(crate) fn in_one_order(own: u64, upto: Vec<(u64, u64)>) -> Option<Self> {
        let others = upto.iter().filter(|(writer, _)| *writer != own);
        let began = others.map(|(_, number)| *number).max().unwrap_or(0);
        (!upto.is_empty()).then_some(Self { own, began, upto })
    }

    /// Which primaryship the server shows when it takes writes.
    pub(crate) fn began(&self) -> u64 {
        self.began
    }

    /// Whether the server has written anything as a primary.
    pub(crate) fn wrote(&self) -> bool {
        self.upto_of(self.own) > Some(self.began)
    }

    /// Whether this server has received some of what the other one wrote as the primary.
    pub(super) fn succeeds(&self, other: &Self) -> bool {
        self.upto_of(other.own) > Some(other.began)
    }

    /// Whether no server wrote to both. What the other one wrote itself may be there before that one has told of it.
    pub(super) fn is_stranger_to(&self, other: &Self) -> bool {
        let known = |(writer, _): &(u64, u64)| self.upto_of(*writer).is_some();
        let either = self.upto_of(other.own).or(other.upto_of(self.own));
        either.is_none() && !other.upto.iter().any(known)
    }

    /// Whether both write under one name: no two servers of one cluster do.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.own == other.own
    }

    /// Whether this server has all that the other one has, as far as that can be told: of a writer that it has never heard of it may have
    /// lost the record, but for what it would have written itself.
    pub(super) fn contains(&self, other: &Self) -> bool {
        let has = |(writer, number): &(u64, u64)| match self.upto_of(*writer) {
            Some(upto) => upto >= *number,
            None => *number <= self.began,
        };
        !self.is_stranger_to(other) && other.upto.iter().all(has)
    }

    /// Whether the other one has nothing that this one lacks but what this one writes: it may have written that since it was
    /// asked.
    pub(super) fn may_contain_by_now(&self, other: &Self) -> bool {
        let mut later = self.clone();
        if let Some((_, upto)) = later
            .upto
            .iter_mut()
            .find(|(writer, _)| *writer == self.own)
        {
            *upto = u64::MAX;
        } else {
            later.upto.push((self.own, u64::MAX));
        }
        later.contains(other)
    }

    fn upto_of(&self, writer: u64) -> Option<u64> {
        let mut all = self.upto.iter();
        let known = all.find(|(known, _)| *known == writer);
        known.map(|(_, number)| *number)
    }
}

/// What a server says of its role where it has no state of recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The server takes writes of those whom `read_only` binds.
    pub(crate) writable: bool,
    /// The server is set up to receive from another one, whether it does so now or not.
    pub(crate) receives: Fact<bool>,
    /// Others receive from it.
    pub(crate) feeds: bool,
    /// Nobody has written anything that it has, in its one order of numbers.
    pub(crate) unwritten: bool,
}

/// By what a server is taken for promoted where the role may not see whether it is set up to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// The server was read-only when it was asked before.
    WasReadOnly,
    /// The server has written, and others receive from it.
    FeedsOthers,
}

/// What follows from what it says of its role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SaidRole {
    pub(crate) in_recovery: Fact<bool>,
    pub(crate) guess: Option<Guess>,
}

impl Standing {
    /// Whether the server says that it is a primary.
    ///
    /// One that is set up to receive does not, writable or not: a replica without `read_only` is as common as a primary that
    /// receives from elsewhere, and roles of both are as configured. Where that cannot be seen, it is guessed. `before`: what
    /// followed the last time. `wrote`: it has written as a primary.
    pub(super) fn claim(self, before: SaidRole, wrote: bool) -> SaidRole {
        let sure = |in_recovery| SaidRole {
            in_recovery,
            guess: None,
        };
        let guess = match (self.writable, self.receives) {
            (false, _) => return sure(Fact::Known(true)),
            (true, Fact::Known(false)) => return sure(Fact::Known(false)),
            (true, Fact::Known(true)) => return sure(Fact::Unknown),
            (true, _) if before.in_recovery == Fact::Known(true) => Guess::WasReadOnly,
            // What was told before the role lost its right holds as well.
            (true, _) if before.in_recovery == Fact::Known(false) => {
                before.guess.unwrap_or(Guess::WasReadOnly)
            }
            (true, _) if self.feeds && wrote => Guess::FeedsOthers,
            (true, _) => return sure(Fact::Unknown),
        };
        SaidRole {
            in_recovery: Fact::Known(false),
            guess: Some(guess),
        }
    }
}
