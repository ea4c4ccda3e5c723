//! What can go wrong with a server, always with the text that explains it.
//!
//! `Debug` prints the same text as `Display`, since tests unwrap and a failed test should show the server's log, not escapes.

use std::{fmt, io, process::Output, time::Duration};

/// The result of everything the harness does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the harness could not do what was asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable server is installed.
    #[error("{what} not found; install it once with\n    {install}")]
    MissingBinaries {
        /// What was looked for.
        what: String,
        /// The one command that installs it.
        install: &'static str,
    },
    /// A condition did not come true in time.
    #[error("{node}: {what} did not happen within {deadline:?}{detail}")]
    Deadline {
        /// The node, or the cluster.
        node: String,
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        deadline: Duration,
        /// The last thing seen, and the tail of the server's log.
        detail: String,
    },
    /// The server process ended where it should have started.
    #[error("{node}: the server ended with {status}; the tail of its log:\n{log}")]
    Ended {
        /// The node.
        node: String,
        /// Its exit status.
        status: String,
        /// The tail of its log.
        log: String,
    },
    /// A helper program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// The program's name.
        program: String,
        /// What it printed.
        output: String,
    },
    /// The server refused a statement.
    #[error("{sqlstate} {message}")]
    Sql {
        /// The five-character code.
        sqlstate: String,
        /// The server's message.
        message: String,
    },
    /// The operation does not fit the node's present condition.
    #[error("{node}: {what}")]
    Misuse {
        /// The node.
        node: String,
        /// What does not fit.
        what: &'static str,
    },
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the server's log says that somebody else holds the port.
    pub(crate) fn port_is_taken(&self) -> bool {
        matches!(self, Self::Ended { log, .. } if log.contains("Address already in use"))
    }

    pub(crate) fn from_output(program: &str, output: &Output) -> Self {
        let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy);
        Self::Program {
            program: program.to_owned(),
            output: format!("{}\n{}{}", output.status, text[0], text[1]),
        }
    }
}

/// Names what was attempted when the operating system refuses.
pub(crate) trait Attempt<T> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what(),
            source,
        })
    }
}
