//! The pages that a stranger reads: what they show of the code is the code's.
//!
//! `SEALANETEST_WRITE_PAGES=1 cargo test --lib pages` writes the tables anew; read the difference before it is committed.

mod alerts;
mod metrics;
mod operate;
mod promql;
mod variables;

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Fails where what stands between `<!-- mark -->` and `<!-- /mark -->` is something else.
fn shows(page: &str, mark: &str, wanted: &str) {
    let path: PathBuf = root().join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begin).expect("the mark that begins it");
    let (part, after) = rest.split_once(&end).expect("the mark that ends it");
    if std::env::var_os("SEALANETEST_WRITE_PAGES").is_some() {
        fs::write(&path, [before, &begin, wanted, &end, after].concat()).unwrap();
        return;
    }
    let differs = wanted
        .lines()
        .find(|line| !part.lines().any(|own| own == *line));
    assert!(
        part == wanted,
        "{page} differs from the code, first here: {differs:?}\n\
         SEALANETEST_WRITE_PAGES=1 cargo test --lib pages writes it anew"
    );
}
