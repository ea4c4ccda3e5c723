//! The house's own rules, read from its source: dependencies point one way, files stay small, words are the right ones.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The longest file that one reads in one sitting.
const LONGEST: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files of the library, with their paths below `src`.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let files = files_in(&src, "rs").into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&src).unwrap().to_owned(), text)
    });
    files.filter(|(path, _)| !path.starts_with("bin")).collect()
}

/// The modules in the order of the table in ARCHITECTURE.md; those that share a line share a rank.
fn table() -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.map(|row| row.split('|').nth(1).unwrap().to_owned());
    first_cells
        .map(|cell| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        })
        .collect()
}

/// The module at the top that a file belongs to.
fn module(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str();
    Path::new(first)
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

/// The source without its comments: a link in a comment is no dependency.
pub(crate) fn code(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The names that stand right behind a path to the crate's root: `crate::x`, `crate::{x, y::z}`, and `super::x` from
/// as deep as the file lies.
fn named_from_root(code: &str, depth: usize) -> BTreeSet<String> {
    let up = "super::".repeat(depth);
    let mut names = BTreeSet::new();
    for start in ["crate::", &up] {
        for (at, _) in code.match_indices(start) {
            // `super::super::x` from a depth of one level less is not ours to judge: it would not compile.
            if code[..at].ends_with("super::") {
                continue;
            }
            let behind = &code[at + start.len()..];
            match behind.strip_prefix('{') {
                Some(group) => names.extend(heads(group)),
                None => names.extend(head(behind)),
            }
        }
    }
    names
}

/// The first name of a path.
fn head(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let text = text.trim_start();
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// The first names of the paths in a group, up to its closing brace.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut begin, mut heads) = (0, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            ',' if depth == 0 => {
                heads.extend(head(&group[begin..at]));
                begin = at + 1;
            }
            '}' if depth == 0 => {
                heads.extend(head(&group[begin..at]));
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads
}

/// Where the crate's root has a name from, when the name is one that it re-exports.
fn origin(name: String, lib: &str) -> String {
    let statements = code(lib);
    let exports = statements.split(';').map(str::trim);
    let exports = exports.filter_map(|line| line.rsplit_once("pub use ").map(|(_, path)| path));
    let found = exports.into_iter().find(|path| {
        path.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .skip(1)
            .any(|word| word == name)
    });
    found.and_then(head).unwrap_or(name)
}

#[test]
fn dependencies_point_up_the_table_of_the_architecture_only() {
    let table = table();
    let rank = |module: &str| {
        table
            .iter()
            .position(|row| row.iter().any(|own| own == module))
    };
    let sources = sources();
    let lib = sources
        .iter()
        .find(|(path, _)| path == Path::new("lib.rs"))
        .unwrap();
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for (path, text) in sources
        .iter()
        .filter(|(path, _)| path != Path::new("lib.rs"))
    {
        let own = module(path);
        let Some(own_rank) = rank(&own) else {
            wrong.insert(format!("{own} is not in the table"));
            continue;
        };
        let names = named_from_root(&code(text), path.components().count());
        for name in names.into_iter().map(|name| origin(name, &lib.1)) {
            seen += 1;
            match rank(&name) {
                _ if name == own => {}
                Some(other) if other < own_rank => {}
                Some(_) => {
                    wrong.insert(format!("{own} depends on {name} ({})", path.display()));
                }
                None => {
                    wrong.insert(format!("{}: `{name}` is in no row", path.display()));
                }
            }
        }
    }
    assert!(seen > 200, "too few paths were found: {seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    for name in table.iter().flatten() {
        let exists = sources.iter().any(|(path, _)| module(path) == *name);
        assert!(exists, "the table has `{name}`, the source has not");
    }
}

/// The test above sees what it should see.
#[test]
fn paths_are_found_in_groups_nested_and_from_below() {
    let code = code(
        "use crate::{\n  a::{b, c::d},\n  // x::y\n  e,\n};\nuse super::super::f::g;\ncrate::h::i(); super::k();",
    );
    let found: Vec<_> = named_from_root(&code, 2).into_iter().collect();
    assert_eq!(found, ["a", "e", "f", "h"]);
    assert_eq!(
        origin("Error".into(), "pub use error::Error;\npub use a::{B, C};"),
        "error"
    );
    assert_eq!(
        origin("C".into(), "pub use error::Error;\npub use a::{B, C};"),
        "a"
    );
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let long = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()));
    let long: Vec<_> = long.filter(|(_, lines)| *lines > LONGEST).collect();
    assert!(long.is_empty(), "{long:?}");
}

/// Primary and replica, never the older pair; what servers call their statements and functions is theirs.
#[test]
fn nodes_are_called_primary_and_replica() {
    let older = [["ma", "ster"].concat(), ["sla", "ve"].concat()];
    // The tables of the servers' own functions and statements.
    let vocabulary = ["functions", "utility.rs", "keyword.rs", "show.rs"];
    let texts = sources().into_iter().filter(|(path, _)| {
        !path
            .components()
            .any(|part| vocabulary.iter().any(|word| part.as_os_str() == *word))
    });
    let pages = crate::links::pages().into_iter();
    let pages = pages.map(|(path, text)| (PathBuf::from(path), text));
    for (path, text) in texts.chain(pages) {
        // SQLite's catalog.
        let own = ["sqlite", &older[0]].join("_");
        let temporary = ["sqlite_temp", &older[0]].join("_");
        // PostgreSQL's function for the time since when a server runs.
        let since = ["post", &older[0], "_start_time"].concat();
        // MariaDB's variables, status and function of what it follows.
        let applied = ["gtid_", &older[1], "_pos"].concat();
        let mut status = [
            "_running",
            "_io_running",
            "s_running",
            "s_connected",
            "_heartbeat_period",
            "_updates",
        ]
        .map(|rest| [&older[1], rest].concat())
        .to_vec();
        status.push([&older[0], "_gtid_wait"].concat());
        let lower = text
            .to_ascii_lowercase()
            .replace(&since, "")
            .replace(&applied, "")
            .replace(&own, "")
            .replace(&temporary, "");
        let lower = status.iter().fold(lower, |text, own| text.replace(own, ""));
        for word in &older {
            assert!(
                !lower.contains(word.as_str()),
                "{} says {word}",
                path.display()
            );
        }
    }
}

/// Every file says in its first line what it is for.
#[test]
fn every_file_begins_with_a_sentence() {
    for (path, text) in sources()
        .iter()
        .filter(|(path, _)| path != Path::new("lib.rs"))
    {
        assert!(text.starts_with("//! "), "{}", path.display());
    }
}
