//! The account the servers run under: never root, since PostgreSQL refuses that.
//!
//! Run by root, the servers get `postgres` or `nobody`, and their folders belong to it; otherwise they run as we do.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    sys::statvfs::statvfs,
    unistd::{User, geteuid},
};

use crate::{Error, Result, error::Attempt};

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// The ids to drop to, if we are root.
    drop_to: Option<(u32, u32)>,
}

impl Account {
    pub(crate) fn find() -> Result<Self> {
        let own = geteuid();
        let lookup = |name: &str| User::from_name(name).ok().flatten();
        if !own.is_root() {
            return Ok(Self {
                name: own.to_string(),
                drop_to: None,
            });
        }
        let user = ["postgres", "nobody"].into_iter().find_map(lookup);
        let user = user.ok_or_else(|| Error::MissingBinaries {
            what: "an unprivileged account (postgres or nobody)".to_owned(),
            install: "useradd --system postgres",
        })?;
        Ok(Self {
            name: user.name,
            drop_to: Some((user.uid.as_raw(), user.gid.as_raw())),
        })
    }

    /// A command that runs under this account, in its own process group so that Ctrl-C does not reach it, without the caller's
    /// `PG*` variables. The standard library clears the supplementary groups when it changes the user as root.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/").process_group(0);
        command.stdin(Stdio::null());
        if let Some((uid, gid)) = self.drop_to {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs a helper program to its end; its output is the error when it fails.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> Result<String> {
        let name = || program.display().to_string();
        let output = self.command(program).args(arguments).output();
        let output = output.attempt(|| format!("running {}", name()))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Error::from_output(&name(), &output))
        }
    }

    /// Makes a folder that belongs to this account.
    pub(crate) fn folder(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path).attempt(|| format!("creating {}", path.display()))?;
        self.own(path)
    }

    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        match self.drop_to {
            Some((uid, gid)) => std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .attempt(|| format!("handing {} to {}", path.display(), self.name)),
            None => Ok(()),
        }
    }
}

/// The folder that all test processes of one user share: templates and port locks. Somebody else's folder of that name is
/// refused, since the system's temporary folder is open to all.
pub(crate) fn cache() -> Result<PathBuf> {
    let own = geteuid();
    let path = std::env::temp_dir().join(format!("sealane-harness-{own}"));
    let what = || format!("using the cache folder {}", path.display());
    fs::create_dir_all(&path).attempt(what)?;
    let found = fs::symlink_metadata(&path).attempt(what)?;
    if found.is_dir() && found.uid() == own.as_raw() {
        Ok(path)
    } else {
        Err(io::Error::other("it belongs to somebody else")).attempt(what)
    }
}

/// Enough for many clusters at once with what tests write into them.
const ENOUGH_MEMORY: u64 = 2 << 30;

/// Where the clusters' folders are made: `SEALANETEST_DIR`, else the system's memory-backed folder if there is room, where a copy
/// of the template takes a tenth of the time, else its temporary folder.
pub(crate) fn scratch() -> PathBuf {
    if let Some(named) = std::env::var_os("SEALANETEST_DIR") {
        return named.into();
    }
    let memory = Path::new("/dev/shm");
    let room = statvfs(memory).map_or(0, |found| {
        found
            .fragment_size()
            .saturating_mul(found.blocks_available())
    });
    match room >= ENOUGH_MEMORY {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}
