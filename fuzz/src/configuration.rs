//! The environment of an application, as somebody has set it.

use sealane::Config;

use crate::{PASSWORD, hides};

/// Reads the bytes as lines of `NAME=value`. Whatever is wrong with them, the error names one of these variables, or
/// `DATABASE_URL`, and shows no password.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.contains(PASSWORD) {
        return;
    }
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let mut variables: Vec<(String, String)> = lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if !variables.iter().any(|(name, _)| name == "DATABASE_URL") {
        let url = format!("postgres://app:{PASSWORD}@db1/shop");
        variables.push(("DATABASE_URL".to_owned(), url));
    }
    match Config::from_vars(variables.clone()) {
        Ok(config) => hides("Debug of the configuration", &format!("{config:?}")),
        Err(err) => {
            let said = err.to_string();
            hides("the error", &said);
            hides("Debug of the error", &format!("{err:?}"));
            let mut names = variables.iter().map(|(name, _)| name);
            let named = names.any(|name| said.contains(name.trim()));
            assert!(named, "names no variable: {said}");
        }
    }
}
