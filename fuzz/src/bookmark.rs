//! A bookmark comes from outside: from a cookie, a header, a job.

use sealane::Bookmark;

/// The longest that may be printed, on MySQL.
const MOST: usize = 3 * 1024;

/// Reads the bytes as a bookmark. One that is read prints to a text that reads the same, and an error does not repeat the text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match text.parse::<Bookmark>() {
        Ok(bookmark) => {
            let printed = bookmark.to_string();
            assert!(printed.len() <= MOST, "{} bytes", printed.len());
            let is_plain = |one: char| one.is_ascii_alphanumeric() || one == '.';
            assert!(printed.chars().all(is_plain), "{printed}");
            assert_eq!(printed.parse().as_ref(), Ok(&bookmark), "{printed}");
            let merged = bookmark.clone().merge(bookmark.clone());
            assert_eq!(merged, Some(bookmark), "merged with itself");
        }
        // Shorter ones may stand in the text of the error by chance.
        Err(err) if text.len() > 12 => assert!(!err.to_string().contains(text), "{err}"),
        Err(_) => {}
    }
}
