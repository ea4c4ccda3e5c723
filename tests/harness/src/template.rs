//! A data folder that is made once per account and server version and copied for every node.
//!
//! `initdb` costs more than the whole start of three nodes from a copy. Parallel test processes share the template: a locked file
//! lets one make it, and a rename puts it in its place only when it is whole.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::{Error, Result, account, account::Account, binaries::Binaries, error::Attempt};

/// Raised whenever the content of the template changes.
const FORMAT: u32 = 1;

/// The database that holds the harness's own tools, so that those of the tests stay as a new server has them.
pub(crate) const TOOLS: &str = "sealane_harness";

#[derive(Clone, Debug)]
pub(crate) struct Template {
    data: PathBuf,
    /// Whether the server counts its statements exactly.
    pub(crate) counts_statements: bool,
}

impl Template {
    pub(crate) fn get(account: &Account, binaries: &Binaries) -> Result<Self> {
        let version: String = binaries
            .version
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let cache = account::cache()?;
        let folder = cache.join(format!("{version}-{}-{FORMAT}", account.name));
        let lock = cache.join("template.lock");
        let lock = File::create(&lock).attempt(|| format!("creating {}", lock.display()))?;
        lock.lock()
            .attempt(|| "waiting for the template's lock".to_owned())?;
        if !folder.is_dir() {
            make(&folder, account, binaries)?;
        }
        Ok(Self::at(&folder))
    }

    /// A template for one cluster, made now: its system identifier is that of no other cluster.
    pub(crate) fn own(folder: &Path, account: &Account, binaries: &Binaries) -> Result<Self> {
        let folder = folder.join("template");
        make(&folder, account, binaries)?;
        Ok(Self::at(&folder))
    }

    fn at(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            counts_statements: folder.join("counts-statements").exists(),
        }
    }

    /// Copies the template to a new data folder; the file system shares the blocks if it can.
    pub(crate) fn copy_to(&self, data: &Path, account: &Account) -> Result<()> {
        let (from, to) = (self.data.to_string_lossy(), data.to_string_lossy());
        account.run(Path::new("cp"), &["-a", &from, &to]).map(drop)
    }
}

fn make(folder: &Path, account: &Account, binaries: &Binaries) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    let what = || format!("making the template {}", unfinished.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).attempt(what)?;
    }
    account.folder(&unfinished)?;
    let data = unfinished.join("data");
    let arguments = "-U postgres -A trust --no-sync -k -E UTF8 --locale=C --wal-segsize=1 -D";
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    let data = data.to_string_lossy();
    arguments.push(&data);
    account.run(&binaries.program("initdb")?, &arguments)?;
    single_user(
        &data,
        "postgres",
        &format!("create database {TOOLS};"),
        account,
        binaries,
    )?;
    let install =
        "create extension pg_stat_statements;\nselect 'found', extname from pg_extension;";
    let answer = single_user(&data, TOOLS, install, account, binaries)?;
    if answer.contains("\"pg_stat_statements\"") {
        fs::write(unfinished.join("counts-statements"), "").attempt(what)?;
    }
    fs::rename(&unfinished, folder).attempt(what)
}

/// Runs SQL, one statement a line, without starting a server.
fn single_user(
    data: &str,
    database: &str,
    sql: &str,
    account: &Account,
    binaries: &Binaries,
) -> Result<String> {
    let mut server = account.command(&binaries.program("postgres")?);
    server.args(["--single", "-D", data, "-c", "fsync=off", database]);
    server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let what = || "preparing the template".to_owned();
    let mut server = server.spawn().attempt(what)?;
    if let Some(mut input) = server.stdin.take() {
        writeln!(input, "{sql}").attempt(what)?;
    }
    let output = server.wait_with_output().attempt(what)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::from_output("postgres --single", &output))
    }
}
