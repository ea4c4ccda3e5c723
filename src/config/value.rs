//! The values that knobs have, and how a field of [`Config`](super::Config) is read and written as one.
//!
//! The environment, a file and the log all go through these few forms, so a knob is parsed, checked and shown
//! by its row in the table and by nothing else.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Discovery;
use crate::vocabulary::{
    Consistency, Failover, Flavour, Mode, OnConflict, OnStale, Scope, StatementLimit,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The value of a knob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Flag(bool),
    Count(u32),
    Bytes(usize),
    /// `None` is "no limit", "off" or "never", as the knob says.
    Time(Option<Duration>),
    Name(Option<String>),
    Names(Vec<String>),
    /// A file. What stands in its place may be a secret, so it is never shown.
    Path(Option<PathBuf>),
    /// One of a few.
    Word(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) if *bytes > 0 && bytes % MIB == 0 => write!(f, "{}MiB", bytes / MIB),
            Self::Bytes(bytes) if *bytes > 0 && bytes % KIB == 0 => write!(f, "{}KiB", bytes / KIB),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
            Self::Time(None) => f.write_str("none"),
            Self::Time(Some(time)) => write!(f, "{}", humantime::format_duration(*time)),
            Self::Name(None) => f.write_str("unset"),
            Self::Name(Some(name)) => f.write_str(name),
            Self::Path(None) => f.write_str("unset"),
            Self::Path(Some(_)) => f.write_str("set"),
            Self::Word(word) => f.write_str(word),
            Self::Names(names) if names.is_empty() => f.write_str("empty"),
            Self::Names(names) => f.write_str(&names.join(",")),
        }
    }
}

/// A field that can be read and written as a [`Value`].
///
/// Writing a value of another form changes nothing; the table's test proves that it never happens.
pub(crate) trait Field {
    fn read(&self) -> Value;
    fn write(&mut self, value: Value);
}

macro_rules! field {
    ($type:ty, $variant:ident) => {
        impl Field for $type {
            fn read(&self) -> Value {
                Value::$variant(self.clone())
            }

            fn write(&mut self, value: Value) {
                if let Value::$variant(value) = value {
                    *self = value;
                }
            }
        }
    };
}

field!(bool, Flag);
field!(u32, Count);
field!(usize, Bytes);
field!(Option<Duration>, Time);
field!(Option<String>, Name);
field!(Vec<String>, Names);
field!(Option<PathBuf>, Path);

/// A name that is never absent.
impl Field for String {
    fn read(&self) -> Value {
        Value::Name(Some(self.clone()))
    }

    fn write(&mut self, value: Value) {
        if let Value::Name(Some(name)) = value {
            *self = name;
        }
    }
}

macro_rules! word_field {
    ($type:ty) => {
        impl Field for $type {
            fn read(&self) -> Value {
                Value::Word(self.as_str())
            }

            fn write(&mut self, value: Value) {
                if let Value::Word(word) = value
                    && let Some(value) = Self::ALL.iter().find(|value| value.as_str() == word)
                {
                    *self = *value;
                }
            }
        }
    };
}

word_field!(Consistency);
word_field!(Failover);
word_field!(Flavour);
word_field!(Mode);
word_field!(OnConflict);
word_field!(StatementLimit);
word_field!(OnStale);
word_field!(Scope);

impl Field for Discovery {
    fn read(&self) -> Value {
        Value::Name(Some(self.to_string()))
    }

    fn write(&mut self, value: Value) {
        if let Value::Name(Some(text)) = value
            && let Ok(known) = text.parse()
        {
            *self = known;
        }
    }
}

impl Field for Duration {
    fn read(&self) -> Value {
        Value::Time(Some(*self))
    }

    fn write(&mut self, value: Value) {
        if let Value::Time(value) = value {
            *self = value.unwrap_or_default();
        }
    }
}
