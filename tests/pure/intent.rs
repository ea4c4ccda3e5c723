//! What a text is judged to be (I1 to I5).

mod catalog;
mod change;
mod corpus;
mod generate;
mod limits;
mod local;
mod places;
mod property;
mod statements;
mod telemetry;
mod traits;
