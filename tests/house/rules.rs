//! The numbered rules: `docs/semantics.md`, the code that names them and the tests that hold them belong together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/semantics.md")).unwrap()
}

/// The numbers of rules in a text, as words of their own: `T7`, and not the one in `UTC7`.
pub(crate) fn named_in(text: &str) -> BTreeSet<String> {
    // `Value::I64` is a type's variant and no rule.
    let text = text.replace("::I64", "");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let rules = words.filter(|word| {
        let (letter, number) = word.split_at_checked(1).unwrap_or(("", ""));
        "IRCT".contains(letter)
            && !letter.is_empty()
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    rules.map(str::to_owned).collect()
}

/// Each rule of the page, and the files below `tests` that it says to be tested in.
fn rules() -> BTreeMap<String, Vec<String>> {
    let page = page();
    let mut rules = BTreeMap::new();
    for section in page.split("\n### ").skip(1) {
        let (rule, text) = section.split_once('\n').unwrap();
        let tested = text.split("*Tested in:*").nth(1).unwrap_or_default();
        let tested = tested.split("\n\n").next().unwrap_or_default();
        let files = tested.split('`').skip(1).step_by(2).map(str::to_owned);
        let again = rules.insert(rule.to_owned(), files.collect());
        assert!(again.is_none(), "{rule} stands twice in the page");
    }
    rules
}

/// Every text below a folder, with its path below the project.
pub(crate) fn texts_in(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut left = vec![root().join(folder)];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let below = path.strip_prefix(root()).unwrap();
                found.push((below.display().to_string(), text));
            }
        }
    }
    found
}

#[test]
fn a_rule_that_is_named_stands_in_the_page() {
    let rules = rules();
    for folder in ["src", "tests", "benches", "examples"] {
        for (path, text) in texts_in(folder) {
            // Test data of other dialects has words that look the same; what names a rule is code, or a case's comment.
            let is_data = path.ends_with(".jsonl") || path.ends_with(".sql");
            if is_data || path == "tests/house/rules.rs" {
                continue;
            }
            for rule in named_in(&text) {
                assert!(
                    rules.contains_key(&rule),
                    "{path} names {rule}, which does not stand in docs/semantics.md"
                );
            }
        }
    }
}

#[test]
fn a_rule_of_the_page_is_named_by_the_tests_that_it_lists() {
    let mut wrong = Vec::new();
    for (rule, files) in rules() {
        if files.is_empty() {
            wrong.push(format!("{rule} lists no test"));
        }
        for file in files {
            let text = fs::read_to_string(root().join("tests").join(&file));
            let names = text.is_ok_and(|text| named_in(&text).contains(&rule));
            if !names {
                wrong.push(format!("{file} does not name {rule}, or is not there"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/semantics.md: {wrong:#?}");
}

/// Whoever changes a rule finds all that holds it in its list.
#[test]
fn a_test_that_names_a_rule_stands_in_its_list() {
    let rules = rules();
    let mut missing = Vec::new();
    for folder in ["pure", "sqlite", "cli", "docs", "proxy", "live"] {
        for (path, text) in texts_in(&format!("tests/{folder}")) {
            let path = path.strip_prefix("tests/").unwrap().to_owned();
            // Rows of data are named by the test that reads them, if their words are not another dialect's.
            let is_test = [".rs", ".json"].iter().any(|kind| path.ends_with(kind));
            for rule in named_in(&text) {
                if is_test && rules.get(&rule).is_some_and(|files| !files.contains(&path)) {
                    missing.push(format!("{rule}: add `{path}`"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "docs/semantics.md: {missing:#?}");
}

/// Paths in the pages for those who change the crate: of the project, or as docs/design.md shortens them.
#[test]
fn a_file_that_a_page_names_is_there() {
    let mut missing = Vec::new();
    let pages = texts_in("docs").into_iter();
    let more = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| {
        let text = fs::read_to_string(root().join(name));
        (name.to_owned(), text.unwrap_or_default())
    });
    for (page, text) in pages.chain(more) {
        for word in text.split('`').skip(1).step_by(2) {
            let kinds = [".rs", ".json", ".jsonl", ".txt"];
            let is_plain = word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
            let is_path = is_plain && word.contains('/') && !word.starts_with('/');
            let is_file = is_path && kinds.iter().any(|kind| word.ends_with(kind));
            let folders =
                ["", "src", "src/connection", "tests"].map(|folder| root().join(folder).join(word));
            if is_file && !folders.iter().any(|path| path.exists()) {
                missing.push(format!("{page} names {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Whether this file or a deeper one, as far as there are any of these names, knows the rest of them.
fn leads_on(file: &str, names: &[&str]) -> bool {
    let mut place = root().join(file).with_extension("");
    let mut text = fs::read_to_string(root().join(file)).unwrap();
    let mut left = names;
    while let [next, rest @ ..] = left {
        let deeper = place.join(next);
        let Ok(more) = fs::read_to_string(deeper.with_extension("rs")) else {
            break;
        };
        (place, text, left) = (deeper, more, rest);
    }
    let is_whole = |at: usize, len: usize| {
        let next = text.as_bytes().get(at + len);
        !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let defines = |name: &&&str| {
        // Or hands it on from another file.
        [
            "fn ", "mod ", "struct ", "enum ", "const ", "::", "::{", ", ",
        ]
        .iter()
        .any(|before| {
            let item = format!("{before}{name}");
            text.match_indices(&item)
                .any(|(at, _)| is_whole(at, item.len()))
        })
    };
    left.iter().all(|name| defines(&name))
}

/// Paths of modules in the pages; a page may leave out what stands above.
#[test]
fn a_module_that_a_page_names_is_there() {
    let mut missing = Vec::new();
    let pages = [
        "ARCHITECTURE",
        "CONTRIBUTING",
        "docs/design",
        "docs/semantics",
    ];
    let sources = texts_in("src");
    for page in pages {
        let text = fs::read_to_string(root().join(page).with_extension("md")).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || b"_:".contains(&byte);
            let elsewhere = ["sea_orm", "std", "tokio", "sqlx", "live", "pure"];
            let names: Vec<&str> = word.split("::").collect();
            let [first, rest @ ..] = &names[..] else {
                continue;
            };
            if rest.is_empty() || elsewhere.contains(first) || !word.bytes().all(is_plain) {
                continue;
            }
            let file = format!("/{first}.rs");
            let known =
                |(path, _): &(String, String)| path.ends_with(&file) && leads_on(path, rest);
            if !sources.iter().any(known) {
                missing.push(format!("{page} names {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Whoever adds a scenario finds its grammar.
#[test]
fn the_page_on_data_files_has_every_file_and_every_word() {
    let page = fs::read_to_string(root().join("tests/pure/README.md")).unwrap();
    let read = |file: &str| fs::read_to_string(root().join("tests/pure").join(file)).unwrap();
    let mut missing = Vec::new();
    for (path, _) in texts_in("tests/pure") {
        let path = path.strip_prefix("tests/pure/").unwrap();
        let name = path.rsplit('/').next().unwrap();
        let is_code = [".rs", ".md"].iter().any(|kind| name.ends_with(kind));
        let is_story = path.starts_with("reduce/") && page.contains("`reduce/*.json`");
        if !is_code && !is_story && !page.contains(&format!("{name}`")) {
            missing.push(path.to_owned());
        }
    }
    // The words that stand alone in the patterns of what reads the files.
    let patterns = [
        ("reduce.rs", "[\""),
        ("words.rs", "            \""),
        ("route.rs", "            \""),
        ("retry.rs", "    (\""),
    ];
    for (file, start) in patterns {
        let text = read(file);
        let lines = text.lines().filter_map(|line| {
            let line = line.strip_prefix(start).or_else(|| {
                let line = line.trim_start();
                start.starts_with('[').then(|| line.strip_prefix(start))?
            })?;
            let (word, rest) = line.split_once('"')?;
            let is_arm = rest.contains("=>") || rest.starts_with(", Kind");
            is_arm.then(|| word.to_owned())
        });
        for word in lines {
            if !page.contains(&format!("`{word}")) {
                missing.push(format!("`{word}` of {file}"));
            }
        }
    }
    assert!(missing.is_empty(), "tests/pure/README.md: {missing:#?}");
}

/// What a statement's way takes to follow is what a newcomer looks up.
#[test]
fn the_nouns_of_a_reads_way_stand_in_the_glossary() {
    let page = fs::read_to_string(root().join("docs/design.md")).unwrap();
    let section = page.split("\n## What a read passes\n").nth(1).unwrap();
    let nouns = section.split("\nNouns: ").nth(1).unwrap();
    let nouns = nouns.split("\n\n").next().unwrap();
    let nouns: BTreeSet<&str> = nouns.split('`').skip(1).step_by(2).collect();
    assert!(nouns.len() > 9, "{nouns:?}");
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let cells = glossary.lines().filter(|line| line.starts_with("| "));
    let cells = cells.filter_map(|line| line.split('|').nth(1));
    let words: BTreeSet<&str> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let unknown: Vec<_> = nouns.difference(&words).collect();
    assert!(
        unknown.is_empty(),
        "docs/glossary.md has no row for {unknown:?}"
    );
}
