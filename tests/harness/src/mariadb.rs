//! MariaDB servers, or MySQL's: a primary and replicas that follow it by GTID.
//!
//! Which of both is the builder's [`Flavour`], MySQL where `SEALANETEST_MYSQL_BIN` names the folder of its programs. What is general is shared with the PostgreSQL servers: account, ports, guardian, signals to processes, waiting. What differs
//! is here: the template, the options of a server, its protocol, and who follows whom.

mod cluster;
mod flavour;
mod node;
mod template;
mod wire;

pub use cluster::{Builder, Cluster};
pub use flavour::Flavour;
pub use node::Node;
