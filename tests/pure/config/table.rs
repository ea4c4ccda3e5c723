//! The table of settings against the defaults and itself.

use std::collections::BTreeSet;

use crate::config::table::{SETTINGS, variables};
use crate::config::value::Value;
use crate::{Config, NodeConfig};

#[test]
fn every_default_in_the_table_is_the_default_in_the_code() {
    let config = Config::new(NodeConfig::primary("postgres://db1/app").unwrap());
    for setting in SETTINGS {
        let Some(access) = &setting.access else {
            continue;
        };
        let value = (access.get)(&config);
        match setting.default {
            "unset" if value == Value::Time(None) => {}
            "unset" | "empty" => {
                assert_eq!(value.to_string(), setting.default, "{}", setting.field)
            }
            "as above" => assert_eq!(config.replica_max_connections, config.max_connections),
            "half the primary's pool" => assert_eq!(value.to_string(), "5"),
            default => assert_eq!(
                setting.kind.parse(default).unwrap(),
                value,
                "{}",
                setting.field
            ),
        }
        assert_eq!(setting.kind.check(&value), Ok(()), "{}", setting.field);
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
    ] {
        assert!(
            SETTINGS.iter().any(|setting| setting.field == field),
            "{field}"
        );
    }
}
