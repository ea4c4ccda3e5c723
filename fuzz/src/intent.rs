//! A write is never called a read.

#[path = "../../tests/pure/intent/generate.rs"]
#[allow(dead_code, reason = "the property test uses more of it")]
mod generate;

use generate::Choices;
use sealane::{Intent, classify};

/// Builds a harmful statement from the bytes, and judges the bytes themselves.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let backend = choices.backend();
    let text = generate::harmful(&mut choices, backend);
    let verdict = classify(backend, &text);
    assert_ne!(verdict.intent(), Intent::Read, "{backend:?}: {text}");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = classify(backend, text);
    }
}
