//! What is wrong with a configuration: every problem at once, each under the name its writer used.
//!
//! Nothing that failed to parse is ever quoted: a password lands in the wrong variable more easily than one
//! thinks, and a URL that could not be parsed cannot be masked with certainty. A problem therefore says where
//! (variable and item), what is wrong and what a right value looks like; numbers that did parse may be shown.

use std::fmt;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    pub(super) variable: String,
    pub(super) message: String,
    pub(super) example: Option<String>,
}

impl Problem {
    /// The environment variable with its prefix; for a builder or a file the name of the setter or key.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// What is wrong, in lower case, without the refused value.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A right value, if one helps; from the environment with the variable's name in front.
    #[must_use]
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)?;
        match &self.example {
            Some(example) => write!(f, "; for example {example}"),
            None => Ok(()),
        }
    }
}

/// A configuration that cannot be used, with all of its problems.
///
/// Its text has one line a problem and holds no password, whatever was configured.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{}", lines(.problems))]
pub struct ConfigError {
    pub(super) problems: Vec<Problem>,
}

/// The text, as a `main` that returns it prints it.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    /// Every problem, in the order of the table of variables, unknown names last.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
