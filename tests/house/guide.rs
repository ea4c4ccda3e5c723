//! The guide reads from start to finish: every page of `docs` stands in its contents once, and ends with the next one.

use std::collections::BTreeSet;

use crate::links::{links, pages};

const CONTENTS: &str = "docs/README.md";

/// The pages in reading order, by their names below `docs`.
fn in_order(contents: &str) -> Vec<String> {
    let links = links(contents).into_iter();
    links.filter(|link| !link.starts_with("../")).collect()
}

/// The link in the last line of a page, where that says what comes next.
fn next_of(page: &str) -> Option<String> {
    let last = page.trim_end().lines().next_back()?;
    let next = links(last.strip_prefix("Next: ")?);
    next.into_iter().next()
}

#[test]
fn every_page_stands_in_the_contents_and_leads_to_the_next() {
    let pages = pages();
    let order = in_order(&pages[CONTENTS]);
    let listed: BTreeSet<String> = order.iter().map(|name| format!("docs/{name}")).collect();
    assert_eq!(listed.len(), order.len(), "{CONTENTS} has a page twice");

    let written = pages.keys().filter(|page| page.starts_with("docs/"));
    let written: BTreeSet<String> = written.filter(|page| *page != CONTENTS).cloned().collect();
    assert_eq!(listed, written, "{CONTENTS} lists what there is");

    let following = order
        .iter()
        .skip(1)
        .map(String::as_str)
        .chain(["README.md"]);
    for (name, next) in order.iter().zip(following) {
        let says = next_of(&pages[&format!("docs/{name}")]);
        assert_eq!(
            says.as_deref(),
            Some(next),
            "docs/{name} ends with its next page"
        );
    }
}

/// The test above sees what it should see.
#[test]
fn the_order_and_the_next_page_are_found() {
    let contents = "In [examples](../examples/README.md):\n| [a](a.md) | b |\n| [c](c.md) | d |\n";
    assert_eq!(in_order(contents), ["a.md", "c.md"]);
    assert_eq!(
        next_of("text\n\nNext: [c](c.md)\n").as_deref(),
        Some("c.md")
    );
    assert_eq!(next_of("text\n\nSee [c](c.md)\n"), None);
}
