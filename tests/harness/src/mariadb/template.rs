//! An initialized data folder that every node is a copy of, made once for each version of the server.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::{Error, Result, account, account::Account, error::Attempt, program};

/// Raise it whenever the content of the template changes.
const FORMAT: u32 = 1;

const INSTALL: &str = "apt-get install -y --no-install-recommends mariadb-server";

/// The password of every user that comes over TCP.
pub(super) const PASSWORD: &str = "secret";

/// Whom the template knows. `app` is an application's user: it may do all that one does, and no more than that, so that it is
/// bound by `read_only`. `boss` is not bound by that. `eye` may ask how replication stands, and `follow` is what replicas log
/// in with. The grants are read first, without which a server that initializes itself takes none.
const USERS: &str = "\
flush privileges;
create user app@'%' identified by 'secret';
grant select, insert, update, delete, create, drop, alter, index, references, create view, show view, create routine,
    alter routine, execute, trigger, event, lock tables, create temporary tables, file on *.* to app@'%';
create user boss@'%' identified by 'secret';
grant all on *.* to boss@'%' with grant option;
create user eye@'%' identified by 'secret';
grant select, insert, update, delete, create, drop, execute, slave monitor, binlog monitor, process on *.* to eye@'%';
create user follow@'%' identified by 'secret';
grant replication slave on *.* to follow@'%';
create database shop;
";

/// Where the server's programs and its template are.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) server: PathBuf,
    data: PathBuf,
}

impl Template {
    pub(super) fn get(account: &Account) -> Result<Self> {
        let server = program::find("mariadbd", INSTALL)?;
        let version = account.run(&server, &["--no-defaults", "--version"])?;
        let number = version.split("Ver ").nth(1).unwrap_or_default();
        let number = number.split_whitespace().next().unwrap_or("unknown");
        let cache = account::cache()?;
        let folder = cache.join(format!("mariadb-{number}-{}-{FORMAT}", account.name));
        let lock = cache.join("template-mariadb.lock");
        let lock = File::create(&lock).attempt(|| format!("creating {}", lock.display()))?;
        lock.lock()
            .attempt(|| "waiting for the template's lock".to_owned())?;
        if !folder.is_dir() {
            make(&folder, account)?;
        }
        Ok(Self {
            server,
            data: folder.join("data"),
        })
    }

    /// Copies the template to a new data folder; the file system shares the blocks if it can.
    pub(super) fn copy_to(&self, data: &Path, account: &Account) -> Result<()> {
        let (from, to) = (self.data.to_string_lossy(), data.to_string_lossy());
        account.run(Path::new("cp"), &["-a", &from, &to]).map(drop)
    }
}

fn make(folder: &Path, account: &Account) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    let what = || format!("making the template {}", unfinished.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).attempt(what)?;
    }
    account.folder(&unfinished)?;
    let users = unfinished.join("users.sql");
    fs::write(&users, USERS).attempt(what)?;
    let data = format!("--datadir={}", unfinished.join("data").display());
    let users = format!("--extra-file={}", users.display());
    // The second kind of root would log in by the name of the system's account, which the harness's own need not be.
    let arguments = [
        "--no-defaults",
        &data,
        &users,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        super::node::LOG_FILE_SIZE,
    ];
    let installer = program::find("mariadb-install-db", INSTALL)?;
    let said = account.run(&installer, &arguments)?;
    if !unfinished.join("data/mysql").is_dir() {
        return Err(Error::Program {
            program: installer.display().to_string(),
            output: said,
        });
    }
    fs::rename(&unfinished, folder).attempt(what)
}
