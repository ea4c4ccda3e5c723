//! Doc comments: each says what its item is, also for a reader who sees nothing beside it.

use std::path::Path;

use super::rules::texts_in;

/// Openings that point at something the reader of a hover text does not see. A word counts in whole.
const EMPTY: [&str; 58] = [
    "All of them",
    "And",
    "Both",
    "Each of them",
    "How long it",
    "How long that",
    "How long they",
    "How many it",
    "How many of them",
    "How many they",
    "How much it",
    "How often it",
    "How often of them",
    "How often that",
    "How often they",
    "It",
    "It's",
    "Its",
    "None of them",
    "Nothing.",
    "One of them",
    "Other.",
    "See the module",
    "So far",
    "So long",
    "So many",
    "So much",
    "So often",
    "Some of them",
    "Such",
    "That",
    "The same",
    "Their",
    "Theirs",
    "Them",
    "There.",
    "These are",
    "These were",
    "They",
    "This can",
    "This does",
    "This has",
    "This is",
    "This may",
    "This much",
    "This one",
    "This was",
    "This will",
    "Those",
    "What it",
    "What they",
    "When it",
    "Where it",
    "Whether it",
    "Whether that",
    "Whether they",
    "Who has",
    "Who hears",
];

/// The doc comment on a line: nothing where there is none.
fn doc(line: &str) -> Option<&str> {
    line.trim_start()
        .strip_prefix("///")
        .filter(|text| !text.starts_with('/'))
        .map(str::trim)
}

/// The opening that a comment should not have, if it has one.
fn empty_opening(text: &str) -> Option<&'static str> {
    let ends =
        |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '\'');
    let found = EMPTY.iter();
    let mut found = found.filter(|opening| text.strip_prefix(**opening).is_some_and(ends));
    found.next().copied()
}

/// The first lines of the doc comments of a file that begin with such an opening, each by its number.
fn faults(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        let begins = place == 0 || doc(lines[place - 1]).is_none();
        if let Some(text) = doc(line)
            && begins
            && empty_opening(text).is_some()
        {
            found.push((place + 1, text));
        }
    }
    found
}

#[test]
fn a_doc_comment_names_its_noun() {
    let is_rust = |path: &str| Path::new(path).extension().is_some_and(|it| it == "rs");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, text) in texts_in("src") {
        if is_rust(&path) {
            seen += text.lines().filter(|line| doc(line).is_some()).count();
            let here = faults(&text).into_iter();
            wrong.extend(here.map(|(line, text)| format!("{path}:{line}: {text}")));
        }
    }
    assert!(seen > 1_000, "only {seen} lines of doc comments were found");
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} doc comments begin with a word that points at something else. Whoever sees only this text cannot follow: \
         name the noun (what is it that is so, that happened, that is the same?), or say in a few words what the item \
         is:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn an_empty_opening_is_found_at_the_beginning_of_a_comment_only() {
    let text = "/// Its name.\nname: String,\n/// A node.\n/// It is named.\nstruct Node;\n    /// The same.\nkept: u8,\n";
    assert_eq!(faults(text), [(1, "Its name."), (6, "The same.")]);
    for fine in [
        "Items in order.",
        "This node.",
        "Nothing is left.",
        "Bothersome.",
        "",
    ] {
        assert_eq!(empty_opening(fine), None, "{fine}");
    }
}
