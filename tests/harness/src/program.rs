//! Programs that run beside a test: each under a shell that ends it when this process ends, however that happens.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use crate::{Error, Result, account::Account, error::Attempt};

/// Ends its program when its input ends.
const KEEPER: &str = r#""$@" </dev/null & read -r _; kill -KILL $! 2>/dev/null"#;

/// Ends its program with the processes that it has started, which would live on, and takes away the shared memory that it
/// leaves, which nobody else would.
const KEEPER_OF_CHILDREN: &str = r#""$@" </dev/null & read -r _; kill -STOP $!; pkill -KILL -P $!; kill -KILL $!
wait $! 2>/dev/null; ipcs -m -p | awk -v by=$! '$3 == by { print $1 }' | while read -r id; do ipcrm -m "$id"; done"#;

/// Starts it, with its output in a log of its name.
pub(crate) fn keep(
    account: &Account,
    folder: &Path,
    name: &str,
    arguments: &[String],
) -> Result<Child> {
    // Others have no children, or some that are to live on.
    let keeper = match name {
        "pgpool" => KEEPER_OF_CHILDREN,
        _ => KEEPER,
    };
    let what = || format!("starting {name}");
    let log = fs::File::create(folder.join(format!("{name}.log"))).attempt(what)?;
    let errors = log.try_clone().attempt(what)?;
    let mut command = account.command(Path::new("/bin/sh"));
    command.args(["-c", keeper, "sh"]).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors));
    command.spawn().attempt(what)
}

/// Ends one, and returns when it is gone.
pub(crate) fn end(mut child: Child) {
    drop(child.stdin.take());
    // It ends by itself then; one that is gone is what was wanted.
    let _ = child.wait();
}

/// Where it is installed, or an error with the command that installs it.
pub(crate) fn find(name: &str, install: &'static str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        // Not everybody's path has the folder of what administrators run.
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.ok_or_else(|| Error::MissingBinaries {
        what: name.to_owned(),
        install,
    })
}
