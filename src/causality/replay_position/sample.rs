//! What is kept of the answers of a node's servers, and whether it is one server that answers (rule C6).

use std::time::Instant;

use super::report::{ReplayObservation, Upstream};
use super::servers::ServerPositions;

/// A position that covers whatever a read had seen that returned before a moment.
///
/// A server shows a commit a little before it says that it has replayed it: its position lies below the record that it is
/// replaying. So one that was told after a read covers that read only where nothing was left to replay, or once a later
/// one is greater: then that record has ended, and the greater one covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadCover {
    /// The number of the poller's connection that was asked.
    pub(crate) connection: u64,
    /// The moment.
    pub(crate) begun: Instant,
    pub(crate) position: (u64, u64),
}

/// What the samples on the poller's connection say of reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadCovers {
    /// The last one that covers reads.
    proven: Option<ReadCover>,
    /// The last sample: what is being replayed may lie above it.
    last: Option<ReadCover>,
}

impl ReadCovers {
    /// The last one that covers reads.
    pub(crate) fn proven(&self) -> Option<ReadCover> {
        self.proven
    }

    /// Another sample of the same server, if it told a position; nothing else is known on a new connection.
    pub(crate) fn note(
        &mut self,
        connection: u64,
        begun: Instant,
        said: Option<((u64, u64), bool)>,
    ) {
        let last = self
            .last
            .take()
            .filter(|last| last.connection == connection);
        self.proven = self.proven.filter(|proven| proven.connection == connection);
        let Some((position, complete)) = said else {
            return;
        };
        self.last = Some(ReadCover {
            connection,
            begun,
            position,
        });
        if complete {
            self.proven = self.last;
        } else if let Some(last) =
            last.filter(|last| last.position.0 <= position.0 && last.position.1 < position.1)
        {
            self.proven = Some(ReadCover { position, ..last });
        }
    }
}

/// What is kept between samples.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Where several servers answer.
    pub(super) servers: ServerPositions,
    /// The primary is to be asked, so that what a server told can count.
    pub(super) asks_primary: bool,
    pub(super) read_covers: ReadCovers,
    /// The first server that was met, and its address.
    first: Option<(u64, Option<u64>)>,
    /// What was met besides is the same server, started again.
    pub(super) restarted: bool,
    /// The last server that told its epoch, and that.
    last: Option<(u64, u64)>,
    /// What a server that receives from nobody has surely replayed.
    left_alone: Option<LeftAlone>,
}

/// A standby received from nobody, and said on which timeline it is.
#[derive(Clone, Copy, Debug)]
struct LeftAlone {
    server: u64,
    epoch: u64,
    lsn: u64,
}

impl Notes {
    /// A standby that receives from nobody is where it was when it last did: its timeline does not change by itself. What
    /// one has replayed of an epoch it has replayed, also when a new connection of a role that sees little does not ask.
    ///
    /// What it says counts before what it was known to follow: it may have gone on to a later timeline, whose primary is
    /// gone as well. One that gets its log from an archive may do so at any time: from its own word it has replayed what it
    /// had then, and nothing beyond.
    pub(super) fn with_epoch(&mut self, sample: &ReplayObservation) -> ReplayObservation {
        let mut sample = sample.clone();
        let server = sample.told.server;
        let says_nothing = matches!(
            sample.told.source,
            Upstream::Nobody(None) | Upstream::Hidden(None) | Upstream::Untold
        );
        let last = self.last.filter(|(of, _)| Some(*of) == server);
        let last = last.map(|(_, epoch)| epoch);
        match (sample.epoch, sample.lsn, server) {
            (None, Some(lsn), _) if says_nothing => {
                let alone = self.left_alone.filter(|one| Some(one.server) == server);
                let alone = alone.filter(|one| last <= Some(one.epoch));
                // It does not change by itself, but one that may receive may have gone on since.
                let unchanged = last.filter(|_| sample.told.source != Upstream::Untold);
                sample.epoch = alone.map(|one| one.epoch).or(unchanged);
                if let Some(alone) = alone {
                    sample.lsn = Some(lsn.min(alone.lsn));
                    // It may be further, so that it does not tell which record is being replayed.
                    sample.connection = None;
                }
            }
            (Some(epoch), Some(lsn), Some(server))
                if matches!(sample.told.source, Upstream::Nobody(_)) =>
            {
                self.left_alone = Some(LeftAlone { server, epoch, lsn });
            }
            (Some(epoch), _, Some(server)) => {
                self.last = Some((server, epoch));
                self.left_alone = None;
            }
            // It names a timeline that does not count here: what it was known to follow is over for it.
            (None, _, Some(server)) if !says_nothing => {
                self.last = self.last.filter(|(of, _)| *of != server);
                self.left_alone = self.left_alone.filter(|one| one.server != server);
            }
            _ => {}
        }
        sample
    }

    /// A connection leads to this server. Whether another one was met before.
    pub(super) fn meet(&mut self, server: u64, address: Option<u64>) -> bool {
        let &mut (first, known) = self.first.get_or_insert((server, address));
        if first == server {
            return false;
        }
        self.restarted = address.is_some() && address == known;
        true
    }

    /// Takes it down, where it is of the connection that asks again and again.
    pub(super) fn note(&mut self, sample: &ReplayObservation) {
        if let Some(connection) = sample.connection {
            let position = sample.epoch.zip(sample.lsn);
            let said = position.map(|position| (position, sample.complete));
            self.read_covers.note(connection, sample.told.begun, said);
        }
    }
}
