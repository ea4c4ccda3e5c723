//! Configuration: rows of variables with what must come of them, and the parts that no row can say.

mod builder;
#[cfg(all(feature = "otel", feature = "sqlite"))]
mod endpoints;
#[cfg(feature = "serde")]
mod file;
mod secrets;
mod table;
mod url;

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value;

use crate::{Config, ConfigError};

/// The variables of a row.
fn variables(row: &Value) -> Vec<(String, String)> {
    let given = row["vars"].as_object().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    given
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn texts(row: &Value, key: &str) -> Vec<String> {
    let list = row[key].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn runs_here(row: &Value) -> bool {
    let present = |feature: &str| match feature {
        "mysql" => cfg!(feature = "mysql"),
        other => panic!("unknown feature {other}"),
    };
    row["needs"].as_str().is_none_or(present)
        && row["without"].as_str().is_none_or(|name| !present(name))
}

/// Every problem in order, each beginning as the row says.
fn check_problems(row: &Value, error: &ConfigError) {
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    let expected = texts(row, "problems");
    let same = lines.len() == expected.len()
        && lines
            .iter()
            .zip(&expected)
            .all(|(line, expected)| line.starts_with(expected.as_str()));
    assert!(same, "{}: got {lines:#?}, not {expected:#?}", row["name"]);
    assert_eq!(error.problems().len(), lines.len());
}

fn check_values(row: &Value, config: &Config) {
    let effective: BTreeMap<String, String> = config.effective().into_iter().collect();
    for (name, value) in row["values"].as_object().expect("a row expects something") {
        assert_eq!(
            effective.get(name).map(String::as_str),
            value.as_str(),
            "{}: {name}",
            row["name"]
        );
    }
    assert_eq!(config.warnings(), texts(row, "warnings"), "{}", row["name"]);
    config.validate().unwrap();
}

#[test]
fn every_row_of_variables_gives_its_values_or_all_its_problems() {
    let rows: Vec<Value> = include_str!("config/vars.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() > 50);
    for row in rows.iter().filter(|row| runs_here(row)) {
        let prefix = row["prefix"].as_str().unwrap_or_default();
        match Config::from_vars_with_prefix(prefix, variables(row)) {
            Ok(config) => check_values(row, &config),
            Err(error) if row["problems"].is_array() => check_problems(row, &error),
            Err(error) => panic!("{}: {error}", row["name"]),
        }
    }
}

#[test]
fn each_problem_tells_variable_message_and_example_apart() {
    let error = Config::from_vars([]).unwrap_err();
    let [problem] = error.problems() else {
        panic!("{error}");
    };
    assert_eq!(problem.variable(), "DATABASE_URL");
    assert_eq!(problem.message(), "is not set");
    assert!(
        problem
            .example()
            .unwrap()
            .starts_with("DATABASE_URL=postgres://")
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_problem_only_if_it_is_ours() {
    use std::os::unix::ffi::OsStringExt as _;

    let broken = OsString::from_vec(vec![b'5', 0xff]);
    let variables = [
        ("DATABASE_URL".into(), "postgres://db1/app".into()),
        ("SEALANE_PIN".into(), broken.clone()),
        ("LS_COLORS".into(), broken),
    ];
    let error = Config::from_os_vars("", variables).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("SEALANE_PIN: is not valid UTF-8")
    );
    assert_eq!(error.problems().len(), 1);
}
