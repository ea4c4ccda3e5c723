//! How far each of several servers that answer under one name is known to have replayed (rules C4, C6).
//!
//! What any connection to a server says proves it for each other one that leads there, in the server's present
//! incarnation: that ends with a crash, and the server may come back behind what it had served, under the same start
//! time. Every connection ends with it. So what proves something for a connection is a sample that was begun no earlier
//! than the question to which that one answered whose it is: both are of one incarnation, or the connection is dead. The
//! sample that was begun last wins, whatever it says.
//!
//! A position is a number, which a server of another history can show as well: one that was promoted for a trial and put
//! back, or that has kept what a restore took from the primary. None that follows the primary is ahead of what that says
//! later. So a server counts once a capture that was sent after it had told its position has shown no less; one that was
//! ahead of that counts for nothing until it is started again. To ask each server for its receiver was rejected: a standby that
//! was started again beside an idle primary has received nothing yet, and neither has one of another history.
//!
//! To forget what is known whenever a connection is opened, as for a node of one server, was rejected: one that nobody
//! has asked yet is asked before it is used, so it has no part in this, and those of the other servers even less.

mod age;
mod another;
mod neglected;

use std::time::{Duration, Instant};

pub(crate) use self::{age::ServerNeed, another::Another};
use super::report::{ReplayObservation, ReplayReport, Upstream};
use crate::{causality::ReadRequirement, mutants};

/// How many servers are remembered; of one that is forgotten a connection is asked again.
const MOST: usize = 64;

/// How long a server's word on the timeline on which it was left alone counts for what it says of its position after that.
/// Long enough for the next look at its files; that is all that a crash in between could be hidden for.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(1);

/// Between two questions to the primary on account of one server.
const PRIMARY_EVERY: Duration = Duration::from_secs(1);

/// Between two looks at a server's files, which every read that waits would open.
const TIMELINE_EVERY: Duration = Duration::from_millis(500);

/// What the primary said of itself to a capture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrimaryWord {
    pub(crate) epoch: u64,
    pub(crate) lsn: u64,
    /// Before the question was sent.
    pub(crate) asked: Instant,
}

/// What a server said of its position, in the words of the cluster's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerWord {
    pub(crate) source: Upstream,
    /// Nothing where what it said proves nothing by itself.
    pub(crate) epoch: Option<u64>,
    pub(crate) lsn: Option<u64>,
}

/// Which server a connection leads to, by its own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LedTo {
    /// See [`ReplayReport::server`].
    server: u64,
    /// See [`ReplayReport::address`].
    address: Option<u64>,
    /// Before the question was sent.
    asked: Instant,
    /// The connection is parted with after its statement, for one that may lead to another server.
    gives_way: bool,
}

impl LedTo {
    /// Of a connection that is parted with after its statement.
    pub(crate) fn giving_way(self) -> Self {
        let gives_way = true;
        Self { gives_way, ..self }
    }

    /// Whether the connection is parted with after its statement.
    pub(crate) fn gives_way(self) -> bool {
        self.gives_way
    }

    /// A connection led to this server, at this address, when it was asked at this moment.
    pub(crate) fn new(server: u64, address: Option<u64>, asked: Instant) -> Self {
        Self {
            server,
            address,
            asked,
            gives_way: false,
        }
    }
}

impl From<&ReplayReport> for LedTo {
    fn from(report: &ReplayReport) -> Self {
        Self::new(report.server, report.address, report.begun)
    }
}

impl ReplayObservation {
    /// The server's own words: of which epoch it is by what it was known to follow does not count here.
    pub(super) fn word(&self) -> ServerWord {
        ServerWord {
            source: self.told.source,
            epoch: self.epoch,
            lsn: self.lsn,
        }
    }

    /// To which server the connection led that was asked.
    pub(super) fn led_to(&self) -> Option<LedTo> {
        Some(LedTo::new(self.told.server?, self.address, self.told.begun))
    }
}

/// What a server said of the timeline on which it was left alone.
#[derive(Clone, Copy, Debug)]
struct ToldAlone {
    /// Before it was asked.
    asked: Instant,
    /// The position of that timeline that it has surely replayed.
    position: (u64, u64),
}

/// Whether a server has the primary's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lineage {
    /// The primary was not asked since the server told its position.
    Unknown,
    /// In this epoch the server was not ahead of the primary.
    Same(u64),
    Other,
}

/// The last sample of one server.
#[derive(Clone, Copy, Debug)]
struct ServerSample {
    server: u64,
    address: Option<u64>,
    begun: Instant,
    /// The first position of its epoch, and when it was told, until the primary has been asked after that.
    unjudged: Option<((u64, u64), Instant)>,
    /// What came of holding it against what the primary said later.
    lineage: Lineage,
    /// When the primary was last to be asked on account of this.
    primary_asked: Option<Instant>,
    word: ServerWord,
    /// Nothing where it told none that can be compared.
    position: Option<(u64, u64)>,
    left_alone: Option<ToldAlone>,
    /// When a connection that led to it was last asked for that timeline.
    timeline_asked: Option<Instant>,
    /// When a read was last sent to it.
    read_at: Option<Instant>,
}

impl ServerSample {
    fn new(led_to: LedTo) -> Self {
        Self {
            server: led_to.server,
            address: led_to.address,
            begun: led_to.asked,
            unjudged: None,
            lineage: Lineage::Unknown,
            primary_asked: None,
            word: ServerWord {
                source: Upstream::Untold,
                epoch: None,
                lsn: None,
            },
            position: None,
            left_alone: None,
            timeline_asked: None,
            read_at: None,
        }
    }

    /// Takes in what the server said last. One that receives from nobody is where it was when it said on which timeline that
    /// is: it has that still, and what it has beyond it has to say anew. One that is behind that was started again by a crash.
    fn hear(&mut self, word: ServerWord, asked: Instant) {
        let position = word.epoch.zip(word.lsn);
        self.left_alone = match word.source {
            Upstream::Nobody(None) if position.is_none() => self
                .left_alone
                .filter(|alone| word.lsn >= Some(alone.position.1))
                .filter(|alone| asked.saturating_duration_since(alone.asked) < LEFT_ALONE_FOR),
            Upstream::Nobody(_) => position.map(|position| ToldAlone { asked, position }),
            Upstream::Timeline(_)
            | Upstream::Writer { .. }
            | Upstream::Executed
            | Upstream::Hidden(_)
            | Upstream::Untold
            | Upstream::NobodyAhead => None,
        };
        (self.begun, self.word) = (asked, word);
        let known = position.or(self.left_alone.map(|alone| alone.position));
        self.position = match mutants::lives("server_keeps_greatest_position") {
            true => known.max(self.position),
            false => known,
        };
    }

    /// The position, where it is one of the primary's history.
    fn proven(&self) -> Option<(u64, u64)> {
        let is_same = |(epoch, _): &(u64, u64)| self.lineage == Lineage::Same(*epoch);
        self.position.filter(is_same)
    }

    /// Notes what is to be held against the primary's word: the first position of an epoch. Later ones may come faster than
    /// the primary answers.
    fn note_unjudged(&mut self, now: Instant) {
        let open = self.position.filter(|_| self.proven().is_none());
        let is_new = |(epoch, _)| self.unjudged.is_none_or(|(known, _)| known.0 != epoch);
        if let Some(position) = open.filter(|position| is_new(*position)) {
            self.unjudged = Some((position, now));
        }
    }

    /// Holds what the server told against what the primary said to a later question.
    fn judge(&mut self, primary: PrimaryWord) {
        let Some((told, _)) = self.unjudged.filter(|(_, heard)| *heard <= primary.asked) else {
            return;
        };
        if told.0 != primary.epoch || self.lineage == Lineage::Other {
            return;
        }
        self.unjudged = None;
        self.lineage = match told.1 <= primary.lsn {
            true => Lineage::Same(primary.epoch),
            false => Lineage::Other,
        };
    }

    /// Whether the primary is to be asked now, so that the position can count; it is, then.
    fn asks_primary(&mut self, now: Instant) -> bool {
        let is_open =
            self.lineage != Lineage::Other && self.position.is_some() && self.proven().is_none();
        let asked = self.primary_asked;
        let due = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PRIMARY_EVERY);
        if is_open && due {
            self.primary_asked = Some(now);
        }
        is_open && due
    }

    /// The answer to an earlier question, which took longer since it names the timeline: it counts as if it had come in time,
    /// for what the server said last.
    fn hear_late(&mut self, word: ServerWord, asked: Instant) {
        let is_alone = self.word.source == Upstream::Nobody(None);
        let is_newer = self.left_alone.is_none_or(|alone| alone.asked < asked);
        if is_alone && is_newer && matches!(word.source, Upstream::Nobody(Some(_))) {
            let (last, begun) = (self.word, self.begun);
            self.hear(word, asked);
            self.hear(last, begun);
        }
    }
}

/// What a connection is good for that has to serve a read, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// Nothing: the connection's server is known to be behind another one.
    Behind,
    /// Nothing that is known: the connection has to be asked.
    Unknown,
    /// All that is needed: the connection's server is known to be far enough.
    Covers,
}

/// The last sample of each server.
#[derive(Debug, Default)]
pub(crate) struct ServerPositions(Vec<ServerSample>);

impl ServerPositions {
    /// Takes a sample in, whose answer is there now. Of the same server, the one that was begun last counts. Whether the
    /// primary is to be asked, so that it can count.
    pub(crate) fn note(&mut self, led_to: LedTo, word: ServerWord, now: Instant) -> bool {
        if !self.0.iter().any(|one| one.server == led_to.server) {
            if self.0.len() >= MOST {
                let oldest = (0..self.0.len()).min_by_key(|at| self.0[*at].begun);
                oldest.map(|at| self.0.swap_remove(at));
            }
            self.0.push(ServerSample::new(led_to));
        }
        let mut known = self.0.iter_mut().filter(|one| one.server == led_to.server);
        known.next().is_some_and(|known| {
            match known.begun <= led_to.asked {
                true => known.hear(word, led_to.asked),
                false => known.hear_late(word, led_to.asked),
            }
            known.note_unjudged(now);
            known.asks_primary(now)
        })
    }

    /// Holds what each server told against what the primary said later.
    pub(crate) fn judge(&mut self, primary: PrimaryWord) {
        for server in &mut self.0 {
            server.judge(primary);
        }
    }

    /// Whether the server of this connection is known to have another history than the primary.
    pub(crate) fn is_astray(&self, led_to: LedTo) -> bool {
        let mut known = self.0.iter().filter(|one| one.server == led_to.server);
        known.any(|one| one.lineage == Lineage::Other)
    }

    /// Whether this connection's server may be asked on which timeline it is, which receives from nobody; it is, then.
    pub(crate) fn ask_timeline(&mut self, led_to: LedTo, now: Instant) -> bool {
        let known = self.0.iter_mut().find(|one| one.server == led_to.server);
        let Some(known) = known else {
            return true;
        };
        let asked = known.timeline_asked;
        let due = asked.is_none_or(|asked| now.saturating_duration_since(asked) >= TIMELINE_EVERY);
        if due {
            known.timeline_asked = Some(now);
        }
        due
    }

    /// What a connection promises a read with this need; `led_to`: nothing where it was not asked yet.
    pub(crate) fn promise(&self, led_to: Option<LedTo>, need: ReadRequirement) -> Promise {
        if led_to.is_some_and(|led_to| self.is_astray(led_to)) {
            return Promise::Behind;
        }
        let Some(position) = led_to.and_then(|led_to| self.proven(led_to)) else {
            return Promise::Unknown;
        };
        match need {
            ReadRequirement::Position { epoch, lsn }
                if position.0 == epoch && position.1 >= lsn =>
            {
                Promise::Covers
            }
            _ if self.0.iter().any(|one| one.proven() > Some(position)) => Promise::Behind,
            _ => Promise::Unknown,
        }
    }

    /// The servers that have told last that they have come so far, asked no earlier than `since`, each in its last
    /// incarnation: one that was started again is another server at the same address, and one copy. Of those that tell no
    /// address one counts. One that is gone tells nothing any more.
    pub(crate) fn having(&self, epoch: u64, lsn: u64, since: Instant) -> Vec<u64> {
        let is_last = |one: &&ServerSample| self.is_last_at_its_address(one);
        let has = |one: &&ServerSample| {
            let position = one.proven();
            position.is_some_and(|(of, replayed)| of == epoch && replayed >= lsn)
        };
        let heard = self.0.iter().filter(|one| one.begun >= since);
        let having = heard.filter(has).filter(is_last);
        having.map(|one| one.server).collect()
    }

    fn is_last_at_its_address(&self, one: &ServerSample) -> bool {
        let mut others = self.0.iter().filter(|other| other.address == one.address);
        others.all(|other| other.server == one.server || other.begun < one.begun)
    }

    /// How far the server of this connection has surely come.
    fn proven(&self, led_to: LedTo) -> Option<(u64, u64)> {
        let there = |one: &&ServerSample| {
            one.server == led_to.server || mutants::lives("position_of_another_server")
        };
        let known = self.0.iter().filter(there);
        let proven = known.filter(|one| one.begun >= led_to.asked);
        proven.filter_map(ServerSample::proven).max()
    }
}
