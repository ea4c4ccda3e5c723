//! The README's table of variables against the code.

use super::table::markdown;

#[test]
fn the_readme_has_the_table_of_variables() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme
        .split_once("<!-- variables -->\n")
        .expect("README.md has <!-- variables -->");
    let (table, _) = rest
        .split_once("<!-- /variables -->")
        .expect("README.md has <!-- /variables -->");
    let wanted = markdown();
    assert!(
        table.trim() == wanted.trim(),
        "the README's table should be\n{wanted}"
    );
}
