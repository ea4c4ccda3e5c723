//! A configuration from a file, by any self-describing format of serde.
//!
//! A key is the name of a field and a value is written as in the environment, so the table reads it: durations as
//! `500ms`, sizes as `4MiB`, lists as lists or as one text. Nothing is derived, because serde's own errors quote
//! what they refuse, and that may be a URL with its password. A format that quotes its input by itself (toml shows
//! the line) is outside our reach: keep passwords out of such files or their errors out of logs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Config;
use super::draft::{Draft, Given};
use super::names;
use super::source::SettingSource;
use super::table::{self, REPLICAS, STRICTNESS, Setting};

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asking for a map would let the format quote what it finds instead of one.
        deserializer.deserialize_any(FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Config, E> {
        Err(E::custom("a text instead of a map of settings"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut draft = Draft::new(SettingSource::Fields);
        while let Some(key) = map.next_key::<String>()? {
            let value: Raw = map.next_value()?;
            let known = table::variables()
                .map(|(_, setting)| setting)
                .find(|setting| setting.field == key && key != STRICTNESS);
            match known {
                Some(setting) => take(&mut draft, setting, value),
                None => unknown(&mut draft, key),
            }
        }
        draft.finish().map_err(A::Error::custom)
    }
}

fn take(draft: &mut Draft, setting: &'static Setting, value: Raw) {
    match value {
        Raw::Text(text) => draft.take_text(setting, text.trim()),
        Raw::List(items) if setting.field == REPLICAS => {
            draft.replicas.extend(items.into_iter().map(Given::Text));
        }
        Raw::List(items) if matches!(setting.kind, super::kind::SettingKind::Functions) => {
            // An item with a comma or blank would otherwise become two.
            if items.iter().any(|item| item.contains([',', ' '])) {
                draft
                    .problems
                    .add(setting.field, "has a comma or blank in an item");
            } else if !items.is_empty() {
                draft.take_text(setting, &items.join(","));
            }
        }
        Raw::List(_) | Raw::Other => draft
            .problems
            .add(setting.field, "must be a text, a number or a bool"),
    }
}

fn unknown(draft: &mut Draft, key: String) {
    let nearest = names::nearest_field(&key);
    let message = nearest.map_or_else(
        || "is not a setting of this version".to_owned(),
        |known| format!("is unknown; did you mean {known}?"),
    );
    let example = nearest
        .and_then(table::by_field)
        .map(|s| s.example.to_owned());
    draft.problems.add_foreign(key, message, example);
}

/// A value in the form that the environment would have given it.
enum Raw {
    Text(String),
    List(Vec<String>),
    Other,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Takes whatever comes, so that no error of serde's is ever raised about it.
struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a bool or a list of texts")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_string()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Some(Vec::new());
        while let Some(item) = seq.next_element()? {
            match (item, &mut items) {
                (Raw::Text(text), Some(items)) => items.push(text),
                (Raw::Text(_), None) => {}
                (Raw::List(_) | Raw::Other, _) => items = None,
            }
        }
        Ok(items.map_or(Raw::Other, Raw::List))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Raw::Other)
    }
}
