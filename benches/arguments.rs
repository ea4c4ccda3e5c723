//! The command line of a bench, and `SEALANETEST_SHORT`, which asks for the short form as `--short` does.

use std::env;

use crate::Result;

/// Gives every argument but those of all benches to `take`, with a way to ask for its value. Whether the form is short.
pub(crate) fn read(
    mut take: impl FnMut(&str, &mut dyn FnMut() -> Result<String>) -> Result<()>,
) -> Result<bool> {
    let mut short = env::var("SEALANETEST_SHORT").is_ok_and(|value| value == "1");
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let given = arguments.next();
            given.ok_or_else(|| format!("`{argument}` needs a value").into())
        };
        match argument.as_str() {
            // What `cargo bench` adds.
            "--bench" => {}
            "--short" => short = true,
            other => take(other, &mut value)?,
        }
    }
    Ok(short)
}
