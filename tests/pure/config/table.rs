//! The table of settings against the defaults and itself.

use std::collections::BTreeSet;

use crate::config::kind::SettingKind;
use crate::config::table::{SETTINGS, variables};
use crate::{Config, NodeConfig};

#[test]
fn every_default_is_in_range_and_shown_as_a_variable_takes_it() {
    let config = Config::adopted();
    for setting in SETTINGS {
        let Some(access) = &setting.access else {
            continue;
        };
        let value = (access.get)(&config);
        assert_eq!(setting.kind.check(&value), Ok(()), "{}", setting.field);
        let shown = setting.default();
        match shown.as_str() {
            "unset" | "empty" => assert!(setting.is_optional(), "{}", setting.field),
            _ if setting.follower.is_some() => {}
            shown => assert_eq!(setting.kind.parse(shown), Ok(value), "{}", setting.field),
        }
    }
    assert_eq!(config.replica_max_connections, config.max_connections);
    assert_eq!(config.diversion_limit, 5);
}

/// The text of a field is written by hand; the default in it is not another one than the row's.
#[test]
fn the_text_of_a_field_names_the_default_of_its_row() {
    let source = include_str!("../../../src/config.rs");
    for setting in SETTINGS {
        let words = match setting.kind {
            SettingKind::Flag => vec![("true", "yes"), ("false", "no")],
            SettingKind::Count { .. } | SettingKind::Bytes { .. } => Vec::new(),
            SettingKind::Time { .. } => vec![("0", "none"), ("unset", "none")],
            _ => continue,
        };
        let field = format!("\n    pub {}: ", setting.field);
        let before = source.split(&field).next().unwrap();
        let (_, text) = before.rsplit_once("\n\n").unwrap_or(("", before));
        let text = text.rsplit("    pub ").next().unwrap().replace("///", "");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, named) = text
            .split_once("efault: ")
            .unwrap_or_else(|| panic!("{}: its text names no default", setting.field));
        let named = named.split([',', ';', ')', ':']).next().unwrap();
        if setting.follower.is_some() {
            assert!(named.contains("`max_connections`"), "{}", setting.field);
            continue;
        }
        let shown = setting.default();
        let word = words.iter().find(|(value, _)| *value == shown);
        let expected = word.map_or(shown.as_str(), |(_, word)| word);
        let named = named.replace(' ', "").replace("min", "m");
        assert_eq!(named, expected, "{}", setting.field);
    }
}

/// Zero and unset are opposites there: one trusts every replica, the other none.
#[test]
fn the_pin_says_what_zero_and_unset_mean() {
    let pin = SETTINGS.iter().find(|one| one.field == "pin").unwrap();
    assert_eq!(
        pin.kind.describe(),
        "duration, 0 = no replica is ever behind"
    );
    assert_eq!(pin.default(), "unset");
    for part in [
        "With 0 reads never go to the primary for a write",
        "Unset, what wrote reads on the primary",
    ] {
        assert!(pin.what.contains(part), "{part}: {}", pin.what);
    }
}

/// A value of the wrong form would be dropped in silence.
#[test]
fn every_example_is_taken_by_its_field() {
    for setting in SETTINGS {
        let Some(access) = &setting.access else {
            continue;
        };
        let mut config = Config::new(NodeConfig::primary("postgres://db1/app").unwrap());
        let value = setting.kind.parse(setting.example).unwrap();
        assert_eq!(setting.kind.check(&value), Ok(()), "{}", setting.field);
        (access.set)(&mut config, value.clone());
        assert_eq!((access.get)(&config), value, "{}", setting.field);
    }
}

#[test]
fn every_example_is_a_right_value_of_its_variable() {
    for (name, setting) in variables() {
        let primary = ("DATABASE_URL", "postgres://db1/app");
        let mut given = vec![primary, (name, setting.example)];
        given.dedup_by_key(|(name, _)| *name);
        let given = given
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let result = Config::from_vars(given);
        assert!(result.is_ok(), "{name}={}: {result:?}", setting.example);
    }
}

#[test]
fn names_are_unique_and_fields_are_named_like_their_variables() {
    let fields: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.field).collect();
    assert_eq!(fields.len(), SETTINGS.len());
    for (name, setting) in variables() {
        if let Some(tail) = name.strip_prefix("SEALANE_") {
            assert_eq!(tail.to_ascii_lowercase(), setting.field);
        }
    }
}

/// What checks compare by name must exist in the table: a misspelled field would compare nothing.
#[test]
fn fields_that_checks_name_exist() {
    for field in [
        "primary",
        "replicas",
        "replica",
        "unknown_variables",
        "zone",
        "read_functions",
        "primary_functions",
        "replica_acquire_timeout",
        "route_timeout",
        "min_connections",
        "max_connections",
        "replica_max_connections",
        "eject_first",
        "eject_max",
        "primary_weight",
        "diversion_limit",
        "discovery",
        "discovery_hosts",
        "discovery_ca",
        "discovery_cert",
        "discovery_key",
        "discovery_login_file",
    ] {
        assert!(
            SETTINGS.iter().any(|setting| setting.field == field),
            "{field}"
        );
    }
}
