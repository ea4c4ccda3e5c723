//! What a caller wrote and saw, and what its reads need for that (rules C1, C2, C8, C9, C10).
//!
//! From the bottom up: the write clock counts what the process wrote to one cluster and knows up to where that lies; a session
//! keeps numbers of that clock; the clock of a cluster holds both, for all handles; and a statement reads and writes in the
//! session that [`Current`] names. Nothing here asks a server: [`positions`](crate::positions) does.

mod abandoned;
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite needs no positions")
)]
pub(crate) mod allowance;
mod captures;
#[cfg(feature = "tower")]
mod client;
mod clock;
mod concrete_writes;
mod current;
mod epochs;
#[cfg_attr(
    not(feature = "mysql"),
    allow(dead_code, reason = "only MySQL's positions are sets")
)]
mod executed;
pub(crate) mod gate;
mod monotonic;
mod need;
mod pending_writes;
mod pin;
mod position_cell;
mod remembered_captures;
mod replay_position;
mod requirement;
mod scopes;
mod session;
mod tasks;
pub(crate) mod unresolved;
mod unseen;
mod waiting;
mod word;
mod write;
mod write_clock;
mod write_count;

#[cfg(any(feature = "postgres", feature = "mysql", feature = "testing", test))]
pub(crate) use self::epochs::PrimaryPlace;
#[cfg(any(feature = "mysql", test))]
pub(crate) use self::executed::Executed;
#[cfg(any(test, feature = "postgres", feature = "mysql"))]
pub(crate) use self::replay_position::PrimaryWord;
#[cfg(test)]
pub(crate) use self::replay_position::ReadCovers;
pub(crate) use self::{
    abandoned::Abandoned,
    clock::{Clock, Whose},
    monotonic::{ObservedRead, ReadAffinity},
    pending_writes::UNKNOWN_HOLD,
    pin::Stood,
    replay_position::{
        Another, LastReport, LedTo, Promise, ReplayObservation, ReplayReport, Replayed, ServerNeed,
        ServerPositions, ServerWord, Several, Upstream,
    },
    requirement::ReadRequirement,
    scopes::{Scopes, within},
    session::{Current, Session},
    unseen::{HandsOut, Settled},
    waiting::WaitingBookmark,
    word::{Named, Word},
    write::OpenWrite,
    write_clock::WriteClock,
};
