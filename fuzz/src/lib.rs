//! What the fuzz targets check, apart from the fuzzer, so that a failing input can be run in any debugger.

pub mod bookmark;
pub mod configuration;
pub mod intent;
pub mod url;

/// The password of each URL that a target makes. No text may show it.
const PASSWORD: &str = "hunter2";

/// Fails where a text shows the password.
fn hides(what: &str, text: &str) {
    assert!(
        !text.contains(PASSWORD),
        "the password stands in {what}: {text}"
    );
}
