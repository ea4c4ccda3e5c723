//! Pure logic, driven by data files: compiled into the library's own test binary, because what it tests is private.

mod again;
mod budget;
mod called;
mod clock;
mod config;
mod credentials;
mod door;
#[cfg(feature = "mysql")]
mod executed;
#[cfg(all(feature = "postgres", feature = "serde"))]
mod flavour;
mod gtid;
mod gtid_set;
mod health;
mod in_time;
mod intent;
mod matrix;
mod metrics;
mod pages;
mod pending_writes;
mod position;
mod read_covers;
mod reduce;
mod replayed;
mod report;
mod retry;
mod route;
mod several_servers;
mod signal;
#[cfg(unix)]
mod sockets;
#[cfg(all(feature = "otel", feature = "sqlite"))]
mod span;
mod standing;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod templates;
mod unreachable;

mod words;
