//! The kinds of knobs: how a text becomes a value, which values are in range, and how the table calls them.
//!
//! A refused text is never part of the message (see [`error`](super::error)); a value that parsed may be.

use std::time::Duration;

use super::value::Value;
use super::{Discovery, ParseDiscoveryError, hosts::AllowedHosts};

/// What a variable holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SettingKind {
    /// The primary's URL.
    Primary,
    /// The list of replicas.
    Replicas,
    /// One replica.
    Replica,
    /// How unknown variables are taken; it steers the reading and is no part of the configuration.
    Strictness,
    Flag,
    Count {
        min: u32,
        max: u32,
    },
    Weight,
    Bytes {
        min: usize,
        max: usize,
    },
    Time {
        zero: Zero,
        min: Duration,
        max: Duration,
    },
    Name,
    /// A file.
    Path,
    Functions,
    /// Names and networks of hosts.
    Hosts,
    /// Where the list of nodes comes from.
    Discovery,
    /// One of the words of an enum of the vocabulary.
    Word(&'static [&'static str]),
}

/// What `0` means for a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zero {
    /// Nothing: it is refused.
    Refused,
    /// A duration of zero, which is called so.
    Means(&'static str),
    /// The absence of the limit or task, which is called so.
    Absent(&'static str),
}

pub(crate) const WEIGHT_MAX: u32 = 1000;

impl SettingKind {
    /// The word in the table's column of types.
    #[cfg(test)]
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Primary => "URL, on PostgreSQL with one or several hosts".to_owned(),
            Self::Replicas => {
                "list of URL or `host[:port]`, `?name=&weight=&zone=&tags=`".to_owned()
            }
            Self::Replica => "one item of such a list".to_owned(),
            Self::Strictness => "error, warn".to_owned(),
            Self::Flag => "bool".to_owned(),
            Self::Count { .. } => "count".to_owned(),
            Self::Weight => format!("0–{WEIGHT_MAX}"),
            Self::Bytes { .. } => "bytes".to_owned(),
            Self::Time { zero, .. } => match zero {
                Zero::Refused => "duration".to_owned(),
                Zero::Means(word) | Zero::Absent(word) => format!("duration, 0 = {word}"),
            },
            Self::Name => "name".to_owned(),
            Self::Path => "path".to_owned(),
            Self::Functions => "list".to_owned(),
            Self::Hosts => "list of names, `*.domain` or networks".to_owned(),
            Self::Discovery => "static, dns[=NAME], file=PATH, patroni=URL, aurora".to_owned(),
            Self::Word(words) => words.join(", "),
        }
    }

    /// Reads a text that is trimmed and not empty. Nodes are not read here.
    pub(crate) fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Primary | Self::Replicas | Self::Replica | Self::Name | Self::Strictness => {
                Ok(Value::Name(Some(text.to_owned())))
            }
            Self::Path => Ok(Value::Path(Some(text.into()))),
            Self::Flag => flag(text).map(Value::Flag),
            Self::Count { .. } | Self::Weight => count(text).map(Value::Count),
            Self::Bytes { .. } => bytes(text).map(Value::Bytes),
            Self::Time { zero, .. } => time(text, zero).map(Value::Time),
            Self::Functions | Self::Hosts => {
                Ok(Value::Names(split_list(text).map(str::to_owned).collect()))
            }
            Self::Discovery => {
                let known: Discovery = parsed(text)?;
                Ok(Value::Name(Some(known.to_string())))
            }
            Self::Word(words) => word(text, words).map(Value::Word),
        }
    }

    /// Whether a value is in range, wherever it came from.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::Count { min, max }, Value::Count(count)) => in_range(*count, min, max),
            (Self::Discovery, Value::Name(Some(text))) => parsed(text).map(drop),
            (Self::Weight, Value::Count(count)) => in_range(*count, 0, WEIGHT_MAX),
            (Self::Bytes { min, max }, Value::Bytes(bytes)) if !(min..=max).contains(bytes) => {
                let [is, min, max] = [*bytes, min, max].map(Value::Bytes);
                Err(format!("must be between {min} and {max}, is {is}"))
            }
            (Self::Time { zero, min, max }, Value::Time(Some(time))) => {
                time_in_range(*time, zero, min, max)
            }
            (Self::Name, Value::Name(Some(name))) => check_name(name),
            (Self::Path, Value::Path(Some(path))) if path.components().count() < 2 => {
                Err("must be the path of a file, with its folder".to_owned())
            }
            (Self::Functions, Value::Names(names)) => {
                names.iter().try_for_each(|name| check_function(name))
            }
            (Self::Hosts, Value::Names(names)) => {
                let mut hosts = names.iter().map(|name| name.parse::<AllowedHosts>());
                hosts.try_for_each(|parsed| parsed.map(drop))
            }
            _ => Ok(()),
        }
    }
}

/// The items of a list: separated by commas, blanks or both.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|item| !item.is_empty())
}

/// Names of nodes and zones become labels of metrics and parts of log lines, hence the narrow alphabet.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err("must be a name of 1 to 64 letters, digits, `_`, `-` or `.`".to_owned());
    }
    Ok(())
}

/// Tags are names. A node has a few of them: what is known of all nodes keeps a group for each.
pub(crate) fn check_tags(tags: &[String]) -> Result<(), String> {
    const MOST: usize = 16;
    if tags.len() > MOST {
        return Err(format!("tags must be at most {MOST}"));
    }
    let problem = tags.iter().find_map(|tag| check_name(tag).err());
    problem.map_or(Ok(()), |problem| Err(format!("tag {problem}")))
}

fn check_function(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.' | '"');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(
            "must hold names of functions, with or without a schema and without their arguments"
                .to_owned(),
        );
    }
    Ok(())
}

fn parsed(text: &str) -> Result<Discovery, String> {
    text.parse()
        .map_err(|err: ParseDiscoveryError| err.to_string())
}

fn word(text: &str, words: &'static [&'static str]) -> Result<&'static str, String> {
    let known = words.iter().find(|word| text.eq_ignore_ascii_case(word));
    known
        .copied()
        .ok_or_else(|| format!("must be one of {}", words.join(", ")))
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Ok(true),
        "false" | "0" | "off" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "must be a whole number without a sign or a unit".to_owned())
}

fn bytes(text: &str) -> Result<usize, String> {
    const REFUSED: &str = "must be a number of bytes, plain or with the unit B, KiB, MiB or GiB";
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(REFUSED.to_owned()),
    };
    let number: usize = number.parse().map_err(|_| REFUSED.to_owned())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| "is too large".to_owned())
}

fn time(text: &str, zero: Zero) -> Result<Option<Duration>, String> {
    let number: Option<f64> = if text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        text.parse().ok()
    } else {
        None
    };
    let parsed = match number {
        Some(0.0) => Duration::ZERO,
        Some(_) => return Err("needs a unit behind the number (ms, s, m, h)".to_owned()),
        None => humantime::parse_duration(text)
            .map_err(|_| "must be a duration: a number with its unit (ms, s, m, h)".to_owned())?,
    };
    Ok(match zero {
        Zero::Absent(_) if parsed.is_zero() => None,
        Zero::Absent(_) | Zero::Means(_) | Zero::Refused => Some(parsed),
    })
}

fn time_in_range(time: Duration, zero: Zero, min: Duration, max: Duration) -> Result<(), String> {
    if time.is_zero() {
        return match zero {
            Zero::Refused => Err("must not be 0".to_owned()),
            Zero::Means(_) | Zero::Absent(_) => Ok(()),
        };
    }
    if (min..=max).contains(&time) {
        return Ok(());
    }
    let [time, min, max] = [time, min, max].map(humantime::format_duration);
    Err(format!("must be between {min} and {max}, is {time}"))
}

fn in_range(is: u32, min: u32, max: u32) -> Result<(), String> {
    if (min..=max).contains(&is) {
        Ok(())
    } else {
        Err(format!("must be between {min} and {max}, is {is}"))
    }
}
