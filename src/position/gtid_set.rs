//! MySQL's place in its binary log: which transactions were executed, as a set (rule C16).
//!
//! Its numbers have no common order: each server counts its own transactions, each tag of them by itself, and what two have
//! committed beside each other leaves gaps. So whether a server has what another one had is containment of sets, and nothing
//! else proves it. The greatest number of each server was rejected: it says nothing of the gaps below it.

use std::{cmp::Ordering, fmt, str::FromStr};

/// The longest text that is read: a thousand servers' worth. It is read with every answer.
const LONGEST: usize = 64 * 1024;

/// Who wrote a transaction: a server, and the tag that it gave it, which most have none of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct GtidWriter {
    server: u128,
    tag: Box<str>,
}

/// Numbers from one to another one, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    first: u64,
    last: u64,
}

/// A set of transactions. Writers are in order, each with some runs, and these in order with gaps in between: so equal sets are
/// equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct GtidSet(Vec<(GtidWriter, Vec<Run>)>);

impl GtidSet {
    /// Whether nothing is in it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many transactions it has.
    pub(crate) fn count(&self) -> u64 {
        let runs = self.0.iter().flat_map(|(_, runs)| runs);
        runs.fold(0, |all, run| {
            all.saturating_add((run.last - run.first).saturating_add(1))
        })
    }

    /// Whether everything of the other one is in it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|(writer, runs)| {
            let own = self.of(writer);
            // Runs have gaps in between, so each lies within one.
            runs.iter().all(|run| {
                let at = own.partition_point(|own| own.last < run.first);
                own.get(at)
                    .is_some_and(|own| own.first <= run.first && run.last <= own.last)
            })
        })
    }

    /// Whether something is in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        other.0.iter().any(|(writer, runs)| {
            let own = self.of(writer);
            runs.iter().any(|run| {
                let at = own.partition_point(|own| own.last < run.first);
                own.get(at).is_some_and(|own| own.first <= run.last)
            })
        })
    }

    /// Takes in what the other one has.
    pub(crate) fn add(&mut self, other: &Self) {
        for (writer, runs) in &other.0 {
            for run in runs {
                self.add_run(writer, *run);
            }
        }
    }

    /// What of it the other one has not.
    #[must_use]
    pub(crate) fn without(&self, other: &Self) -> Self {
        let left = self.0.iter().filter_map(|(writer, runs)| {
            let left = lacking(runs, other.of(writer));
            (!left.is_empty()).then(|| (writer.clone(), left))
        });
        Self(left.collect())
    }

    /// What of it that server wrote, under whatever tag.
    #[must_use]
    pub(crate) fn written_by(&self, server: u128) -> Self {
        self.filtered(|writer| writer.server == server)
    }

    /// What of it other servers wrote.
    #[must_use]
    pub(crate) fn written_by_others(&self, server: u128) -> Self {
        self.filtered(|writer| writer.server != server)
    }

    /// Each writer with its runs: the server, the tag, and the first and last number of each run.
    pub(super) fn parts(
        &self,
    ) -> impl Iterator<Item = (u128, &str, impl Iterator<Item = (u64, u64)>)> {
        self.0.iter().map(|(writer, runs)| {
            let runs = runs.iter().map(|run| (run.first, run.last));
            (writer.server, &*writer.tag, runs)
        })
    }

    /// Takes in a run of one writer; nothing where that cannot be.
    pub(super) fn take_in(&mut self, server: u128, tag: &str, first: u64, last: u64) -> Option<()> {
        let tag = match tag {
            "" => "".into(),
            tag => self::tag(tag).ok()?,
        };
        let run = (first >= 1 && first <= last).then_some(Run { first, last })?;
        self.add_run(&GtidWriter { server, tag }, run);
        Some(())
    }

    fn filtered(&self, is_in: impl Fn(&GtidWriter) -> bool) -> Self {
        let all = self.0.iter().filter(|(writer, _)| is_in(writer));
        Self(all.cloned().collect())
    }

    fn of(&self, writer: &GtidWriter) -> &[Run] {
        let found = self.0.binary_search_by(|(own, _)| own.cmp(writer));
        found.map_or(&[], |at| &self.0[at].1)
    }

    fn add_run(&mut self, writer: &GtidWriter, run: Run) {
        let at = match self.0.binary_search_by(|(own, _)| own.cmp(writer)) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (writer.clone(), Vec::new()));
                at
            }
        };
        let runs = &mut self.0[at].1;
        // Those that it touches become one with it.
        let from = runs.partition_point(|own| own.last < run.first.saturating_sub(1));
        let to = runs.partition_point(|own| own.first <= run.last.saturating_add(1));
        let whole = runs[from..to].iter().fold(run, |all, own| Run {
            first: all.first.min(own.first),
            last: all.last.max(own.last),
        });
        runs.splice(from..to, [whole]);
    }
}

/// What of these runs is in none of the others.
fn lacking(runs: &[Run], others: &[Run]) -> Vec<Run> {
    let mut left = Vec::new();
    for run in runs {
        let mut next = Some(run.first);
        let from = others.partition_point(|other| other.last < run.first);
        for other in others[from..]
            .iter()
            .take_while(|other| other.first <= run.last)
        {
            if let Some(first) = next.filter(|first| *first < other.first) {
                left.push(Run {
                    first,
                    last: other.first - 1,
                });
            }
            next = other.last.checked_add(1);
        }
        if let Some(first) = next.filter(|first| *first <= run.last) {
            left.push(Run {
                first,
                last: run.last,
            });
        }
    }
    left
}

impl PartialOrd for GtidSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.contains(other), other.contains(self)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Greater),
            (false, true) => Some(Ordering::Less),
            (false, false) => None,
        }
    }
}

/// As servers write it, but for their line breaks: `uuid:1-5:7:tag:1-3,uuid:1`.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (writer, runs) in &self.0 {
            if last != Some(writer.server) {
                let comma = if last.is_some() { "," } else { "" };
                write!(f, "{comma}{}", Uuid(writer.server))?;
            }
            last = Some(writer.server);
            if !writer.tag.is_empty() {
                write!(f, ":{}", writer.tag)?;
            }
            for run in runs {
                match run.first == run.last {
                    true => write!(f, ":{}", run.first)?,
                    false => write!(f, ":{}-{}", run.first, run.last)?,
                }
            }
        }
        Ok(())
    }
}

/// A server's identifier, as it is written.
struct Uuid(u128);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, rest) = hex.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

/// The text is no set of transactions, or longer than any that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAGtidSet;

/// A server's identifier as a number.
pub(crate) fn server_of_uuid(text: &str) -> Result<u128, NotAGtidSet> {
    let text = text.trim();
    let is_hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    if !text.bytes().all(is_hex) {
        return Err(NotAGtidSet);
    }
    let digits = text.replace('-', "");
    match digits.len() {
        32 => u128::from_str_radix(&digits, 16).map_err(|_| NotAGtidSet),
        _ => Err(NotAGtidSet),
    }
}

impl FromStr for GtidSet {
    type Err = NotAGtidSet;

    fn from_str(text: &str) -> Result<Self, NotAGtidSet> {
        if text.len() > LONGEST {
            return Err(NotAGtidSet);
        }
        let mut set = Self::default();
        for part in text.split(',').map(str::trim) {
            // Servers write none, and take some.
            if part.is_empty() {
                continue;
            }
            let mut words = part.split(':').map(str::trim);
            let server = server_of_uuid(words.next().unwrap_or_default())?;
            let mut writer = GtidWriter {
                server,
                tag: "".into(),
            };
            let mut runs = 0_u32;
            for word in words {
                if word.starts_with(|first: char| first.is_ascii_digit()) {
                    set.add_run(&writer, run(word)?);
                    runs += 1;
                    continue;
                }
                writer.tag = tag(word)?;
            }
            if runs == 0 {
                return Err(NotAGtidSet);
            }
        }
        Ok(set)
    }
}

fn run(text: &str) -> Result<Run, NotAGtidSet> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse::<u64>().ok()).flatten();
        number.ok_or(NotAGtidSet)
    };
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    match first >= 1 && first <= last {
        true => Ok(Run { first, last }),
        false => Err(NotAGtidSet),
    }
}

/// A letter or an underscore, then up to 31 of these and digits; servers write small letters.
fn tag(text: &str) -> Result<Box<str>, NotAGtidSet> {
    let in_place = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(in_place);
    match fits {
        true => Ok(text.to_ascii_lowercase().into()),
        false => Err(NotAGtidSet),
    }
}
