//! The tables of settings in `docs/configuration.md`.

use crate::config::table::{SETTINGS, Setting};

/// The rows that a variable sets, or those that only the builder has.
fn table(head: &str, named: impl Fn(&Setting) -> Option<&'static str>) -> String {
    let rows = SETTINGS.iter().filter_map(|setting| {
        Some(format!(
            "| `{}` | {} | {} | {} | {} |\n",
            named(setting)?,
            setting.what,
            setting.kind.describe(),
            setting.default(),
            setting.reason
        ))
    });
    let head =
        format!("| {head} | what it does | type | default | reason |\n|---|---|---|---|---|\n");
    std::iter::once(head).chain(rows).collect()
}

#[test]
fn the_page_has_the_variables_and_the_builders_own_knobs() {
    let page = "docs/configuration.md";
    let variables = table("variable", |setting| setting.variable);
    super::shows(page, "variables", &variables);
    let own = table("knob", |setting| {
        setting.variable.is_none().then_some(setting.field)
    });
    super::shows(page, "builder", &own);
}
