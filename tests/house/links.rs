//! The pages: every link leads somewhere, also in the package, and those for users know no rule by its number.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::rules::{named_in, root, texts_in};

/// Pages for those who change the crate; all others are for those who use it.
const INSIDE: [&str; 3] = ["docs/design.md", "docs/glossary.md", "docs/semantics.md"];

/// Every page, by its path below the project.
pub(crate) fn pages() -> BTreeMap<String, String> {
    let folders = ["docs", "examples", "fuzz", "tests"];
    let below = folders.into_iter().flat_map(texts_in);
    let below = below.filter(|(path, _)| path.ends_with(".md"));
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        (name.to_owned(), text)
    });
    below.chain(top).collect()
}

/// A page without its blocks of code.
fn prose(text: &str) -> String {
    let parts = text.split("```").step_by(2);
    parts.collect()
}

/// Where the links of a page lead.
pub(crate) fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let links = links.filter(|link| !link.contains("://"));
    links.map(str::to_owned).collect()
}

/// The anchors that GitHub makes of a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let slugs = headings.map(|heading| {
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    });
    slugs.collect()
}

/// A path relative to a page, from the project.
fn resolved(page: &str, link: &str) -> PathBuf {
    let mut path = Path::new(page).parent().unwrap().to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page} leads out of the project: {link}"),
            part => path.push(part),
        }
    }
    path
}

/// Whether the published package has this file, by the patterns of `include` in Cargo.toml.
fn is_packaged(path: &Path) -> bool {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let list = manifest.split("\ninclude = [").nth(1).unwrap();
    let patterns = list
        .split(']')
        .next()
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2);
    let path = path.to_str().unwrap();
    patterns
        .map(|pattern| pattern.trim_start_matches('/'))
        .any(|pattern| match pattern.split_once('*') {
            None => path == pattern || path.starts_with(&format!("{pattern}/")),
            Some((before, after)) if after.starts_with('*') => path.starts_with(before),
            Some((before, after)) => path
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|rest| !rest.contains('/')),
        })
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_of_it() {
    let pages = pages();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (page, text) in &pages {
        for link in links(text) {
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => PathBuf::from(page),
                file => resolved(page, file),
            };
            if !root().join(&target).is_file() {
                wrong.push(format!("{page}: {link} is no file"));
            } else if is_packaged(Path::new(page)) && !is_packaged(&target) {
                wrong.push(format!("{page}: {link} is not in the package"));
            } else if !anchor.is_empty()
                && !anchors(&pages[target.to_str().unwrap()]).contains(anchor)
            {
                wrong.push(format!("{page}: {link} is no heading"));
            }
        }
    }
    assert!(seen > 50, "too few links were found: {seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Who runs a service at night does not look a number up.
#[test]
fn a_page_for_users_says_rules_in_words() {
    for (page, text) in pages() {
        let is_public =
            page == "README.md" || page.starts_with("docs/") || page.starts_with("examples/");
        if is_public && !INSIDE.contains(&&*page) {
            let rules = named_in(&text);
            assert!(rules.is_empty(), "{page} names {rules:?}");
        }
    }
}

/// The tests above see what they should see.
#[test]
fn links_and_headings_are_found() {
    let page =
        "# A b\n[x](../y.md#a-b), [z](https://z)\n```\n[no](no.md)\n# no\n```\n## `c()`: d.\n";
    assert_eq!(links(page), ["../y.md#a-b"]);
    assert_eq!(anchors(page), ["a-b", "c-d"].map(str::to_owned).into());
    assert_eq!(resolved("docs/a.md", "../y.md"), Path::new("y.md"));
    assert!(is_packaged(Path::new("src/lib.rs")) && !is_packaged(Path::new("fuzz/README.md")));
}
