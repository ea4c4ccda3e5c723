//! Where PostgreSQL's programs are, or the one command that brings them.
//!
//! Order: `SEALANETEST_PG_BIN`, the distribution's folders (highest version first), `PATH`, Homebrew. A folder counts only if it
//! holds the server itself; a package may have that alone, so each other program is asked for when it is needed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{Error, Result, account::Account};

#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// What the server says of itself, e.g. `postgres (PostgreSQL) 15.14`.
    pub(crate) version: String,
}

/// What brings the server, by the program that installs things here.
const INSTALLERS: [(&str, &str); 5] = [
    (
        "apt-get",
        "sudo apt-get install -y --no-install-recommends postgresql",
    ),
    (
        "dnf",
        "sudo dnf install -y postgresql-server postgresql-contrib",
    ),
    ("pacman", "sudo pacman -S --noconfirm postgresql"),
    ("apk", "sudo apk add postgresql postgresql-contrib"),
    ("brew", "brew install postgresql@17"),
];

impl Binaries {
    pub(crate) fn find(account: &Account) -> Result<Self> {
        let folder = match env::var_os("SEALANETEST_PG_BIN").map(PathBuf::from) {
            Some(named) => holds_server(named.clone()).ok_or_else(|| {
                missing(&format!(
                    "SEALANETEST_PG_BIN={}: the programs postgres and initdb were",
                    named.display()
                ))
            })?,
            None => candidates()
                .into_iter()
                .find_map(holds_server)
                .ok_or_else(|| missing("PostgreSQL's programs postgres and initdb were"))?,
        };
        let version = account.run(&folder.join("postgres"), &["--version"])?;
        Ok(Self {
            folder,
            version: version.trim().to_owned(),
        })
    }

    /// The path of one program, or how to get it.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(missing(&path.display().to_string()))
        }
    }

    /// A program that works on the data of a server, if there is one: this server's own, or that of another installation of
    /// the same major version. Those of other versions refuse the data.
    pub(crate) fn program_for_data(&self, name: &str, account: &Account) -> Option<PathBuf> {
        let own = [self.folder.clone()].into_iter();
        let others = candidates().into_iter().filter_map(holds_server);
        let has = |folder: &PathBuf| folder.join(name).is_file();
        own.chain(others).filter(has).find_map(|folder| {
            let version = account.run(&folder.join("postgres"), &["--version"]).ok()?;
            (major(&version) == self.major()).then(|| folder.join(name))
        })
    }

    /// The server's major version, e.g. 15.
    pub(crate) fn major(&self) -> u32 {
        major(&self.version)
    }
}

/// Of `postgres (PostgreSQL) 15.14`, and of `19rc1` too.
fn major(version: &str) -> u32 {
    let number = version.split_whitespace().nth(2).unwrap_or_default();
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn missing(what: &str) -> Error {
    Error::MissingBinaries {
        what: what.to_owned(),
        install: install(),
    }
}

fn install() -> &'static str {
    let folders = env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| env::split_paths(&folders).any(|at| at.join(program).is_file());
    let found = INSTALLERS.iter().find(|(program, _)| is_there(program));
    found.map_or(
        "your system's package of the PostgreSQL server (or name the folder of its programs in SEALANETEST_PG_BIN)",
        |(_, command)| *command,
    )
}

/// The folder with links resolved, so that `pg_rewind` is found beside a server that was only linked into `PATH`.
fn holds_server(folder: PathBuf) -> Option<PathBuf> {
    let server = fs::canonicalize(folder.join("postgres")).ok()?;
    let folder = server.parent()?.to_path_buf();
    folder.join("initdb").is_file().then_some(folder)
}

fn candidates() -> Vec<PathBuf> {
    let mut found = versions("/usr/lib/postgresql", "");
    found.extend(versions("/usr", "pgsql-"));
    if let Some(path) = env::var_os("PATH") {
        found.extend(env::split_paths(&path));
    }
    for root in ["/opt/homebrew/opt", "/usr/local/opt"] {
        found.extend(versions(root, "postgresql@"));
    }
    found
}

/// The `bin` folders below `root` whose parent is named `prefix` and a version, highest first.
fn versions(root: &str, prefix: &str) -> Vec<PathBuf> {
    let version = |path: &Path| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(prefix)?.parse().ok()
    };
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin"))))
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, path)| path).collect()
}
