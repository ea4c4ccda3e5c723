//! The glossary: a noun of the code is defined in a file that its row names, or whoever looks it up searches on.

use std::fs;

use super::rules::root;

/// What a line begins with that defines a name; attributes of visibility and of functions stand before it.
const KEYWORDS: [&str; 9] = [
    "struct",
    "enum",
    "trait",
    "type",
    "fn",
    "static",
    "const",
    "mod",
    "macro_rules!",
];

/// The nouns and the files of each row.
fn rows(page: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let quoted = |cell: &str| {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let lines = page.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter(|cells| cells.len() == 5)
        .map(|cells| (quoted(cells[1]), quoted(cells[3])))
        .collect()
}

/// What follows a name that stands whole at the beginning.
fn behind<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let ends = |rest: &&str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    text.strip_prefix(name).filter(ends)
}

/// The line without what may stand in front of a definition.
fn bare(line: &str) -> &str {
    let mut line = line.trim_start();
    if let Some(rest) = line.strip_prefix("pub") {
        let inside = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        line = inside.map_or(rest, |(_, rest)| rest).trim_start();
    }
    for word in ["const ", "async ", "unsafe "] {
        if let Some(rest) = line.strip_prefix(word)
            && (rest.starts_with("fn ") || rest.starts_with("async "))
        {
            line = rest;
        }
    }
    line
}

/// Whether the text defines this name: as an item, as a variant, or in a macro that makes an enum of it.
fn defines(text: &str, name: &str) -> bool {
    let lines = text.lines().map(bare);
    let mut lines = lines.filter(|line| !line.starts_with("//"));
    lines.any(|line| {
        let item = |keyword: &str| {
            let rest = line.strip_prefix(keyword)?.strip_prefix(' ')?;
            behind(rest, name)
        };
        let is_type = name.starts_with(|c: char| c.is_ascii_uppercase());
        let made = behind(line, name).is_some_and(|rest| {
            rest == "," || rest.starts_with('(') || (rest.starts_with(' ') && rest.ends_with('{'))
        });
        KEYWORDS.iter().any(|keyword| item(keyword).is_some()) || (is_type && made)
    })
}

#[test]
fn a_noun_is_defined_in_a_file_that_its_row_names() {
    let page = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let rows = rows(&page);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (nouns, files) in rows {
        let texts: Vec<String> = files
            .iter()
            .map(|file| {
                fs::read_to_string(root().join("src").join(file)).unwrap_or_else(|err| {
                    wrong.push(format!("{file}: {err}"));
                    String::new()
                })
            })
            .collect();
        for noun in nouns {
            seen += 1;
            let name = noun.trim_end_matches("()");
            if !texts.iter().any(|text| defines(text, name)) {
                wrong.push(format!(
                    "`{noun}` is defined in none of {}",
                    files.join(", ")
                ));
            }
        }
    }
    assert!(seen > 150, "only {seen} nouns were found");
    assert!(wrong.is_empty(), "docs/glossary.md: {wrong:#?}");
}

#[test]
fn definitions_are_found_and_mentions_are_not() {
    let text = "use a::Node;\n/// A Node.\npub(in crate::a) struct Nodes;\n    pub(crate) const fn lent() {}\n\
                word_enum! {\n    Role {\n    Cut { node: u8 },\n    Worth,\n    Kept(u8),\n";
    for name in ["Nodes", "lent", "Role", "Worth", "Kept"] {
        assert!(defines(text, name), "{name}");
    }
    for name in ["Node", "Role2", "node", "a"] {
        assert!(!defines(text, name), "{name}");
    }
}
