//! What tasks are made of.

use crate::imports::{code, sources};

/// What begins a task of tokio's.
const BEGINS: [&str; 3] = ["tokio::spawn(", "runtime.spawn(", "handle.spawn("];

/// The argument that begins here, up to its closing parenthesis.
fn argument(text: &str) -> &str {
    let mut depth = 1;
    for (at, char) in text.char_indices() {
        match char {
            '(' => depth += 1,
            ')' if depth == 1 => return &text[..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

/// tokio compiles what drives a task once for each type of future and each of its schedulers: some ten kilobytes each.
#[test]
fn a_task_is_a_boxed_future() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in sources() {
        let text = code(&text);
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (at, begins) in BEGINS.iter().flat_map(|begins| text.match_indices(begins)) {
            seen += 1;
            let task = argument(&text[at + begins.len()..]);
            // The one function that boxes what it is given.
            if !task.contains(".boxed()") && !path.ends_with("positions/background_runtime.rs") {
                let line = text[..at].lines().count();
                wrong.push(format!("{}:{line}", path.display()));
            }
        }
    }
    assert!(seen > 20, "too few tasks were found: {seen}");
    assert!(wrong.is_empty(), "box the future, `.boxed()`: {wrong:#?}");
}
