//! MariaDB servers: a primary and replicas that follow it by GTID.
//!
//! What is general is shared with the PostgreSQL servers: account, ports, guardian, signals to processes, waiting. What differs
//! is here: the template, the options of a server, its protocol, and who follows whom.

mod cluster;
mod node;
mod template;
mod wire;

pub use cluster::{Builder, Cluster};
pub use node::Node;
