//! The vocabulary of the crate: bare enums and ids that every other module speaks.
//!
//! The same word stands in code, configuration, metrics, errors and documentation, so each enum has one
//! text form ([`as_str`](Intent::as_str)) and nothing else spells it. Dependencies point here and never from here.

#[macro_use]
mod word_enum;
mod choice;
mod flavour;
mod node;
mod statement;

#[cfg(feature = "postgres")]
pub(crate) use self::flavour::Signs;
pub(crate) use self::flavour::SystemFacts;
pub use self::{
    choice::{Consistency, Failover, Mode, OnConflict, OnStale, Scope, StatementLimit},
    flavour::Flavour,
    node::{EjectionCause, FenceReason, HealthState, Ineligible, NodeId, Role},
    statement::{FailureKind, Intent, Outcome, Reason, RetryCause, Stage},
    word_enum::ParseWordError,
};
