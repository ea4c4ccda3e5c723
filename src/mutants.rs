//! Rules broken on purpose, so that the checkers of histories and storms can show that they would notice.
//!
//! There is none unless the crate is compiled with `--cfg sealane_mutants` (see `tests/mutants`); then
//! `SEALANETEST_MUTANT` names the one that lives. Each stands at the line whose rule it breaks; what one needs
//! besides stands at the edge of the loop of statements (`dispatch/mutant.rs`).

#[cfg(sealane_mutants)]
use std::sync::LazyLock;

/// Whether this mutant lives.
#[cfg(sealane_mutants)]
pub(crate) fn lives(name: &str) -> bool {
    static NAME: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("SEALANETEST_MUTANT").ok());
    NAME.as_deref() == Some(name)
}

/// Whether this mutant lives: never.
#[cfg(not(sealane_mutants))]
#[inline(always)]
pub(crate) const fn lives(_: &str) -> bool {
    false
}
