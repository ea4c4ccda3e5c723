//! An initialized data folder that every node is a copy of, made once for each version of the server.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::Flavour;
use crate::{Error, Result, account, account::Account, error::Attempt, program};

/// Raise it whenever the content of the template changes.
const FORMAT: u32 = 2;

pub(super) const INSTALL: &str = "apt-get install -y --no-install-recommends mariadb-server";

/// The password of every user that comes over TCP.
pub(super) const PASSWORD: &str = "secret";

/// Whom the template knows. `app` is an application's user: it may do all that one does, and no more than that, so that it is
/// bound by `read_only`. `boss` is not bound by that. `eye` may ask how replication stands, and `follow` is what replicas log
/// in with.
pub(super) const USERS: [&str; 3] = ["app", "boss", "eye"];

/// A statement a line, which is how a server that initializes itself reads them. The grants are read first, without which it
/// takes none.
fn statements(flavour: Flavour) -> String {
    let monitors = flavour.monitors();
    let mut all = String::from("flush privileges;\n");
    for user in USERS.iter().chain(&["follow"]) {
        all += &format!("create user {user}@'%' identified by '{PASSWORD}';\n");
    }
    for (user, rights) in [
        (
            "app",
            "select, insert, update, delete, create, drop, alter, index, references, create view, show view, create routine, \
             alter routine, execute, trigger, event, lock tables, create temporary tables, file",
        ),
        ("follow", "replication slave"),
    ] {
        all += &format!("grant {rights} on *.* to {user}@'%';\n");
    }
    all += "grant all on *.* to boss@'%' with grant option;\n";
    all += &format!(
        "grant select, insert, update, delete, create, drop, execute, {monitors}, process on *.* to eye@'%';\n"
    );
    all + "create database shop;\n"
}

/// Where the server's programs and its template are.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) flavour: Flavour,
    pub(super) server: PathBuf,
    data: PathBuf,
}

impl Template {
    pub(super) fn get(account: &Account, flavour: Flavour) -> Result<Self> {
        let server = flavour.server()?;
        let version = account.run(&server, &["--no-defaults", "--version"])?;
        let number = version.split("Ver ").nth(1).unwrap_or_default();
        let number = number.split_whitespace().next().unwrap_or("unknown");
        let cache = account::cache()?;
        let word = flavour.word();
        let folder = cache.join(format!("{word}-{number}-{}-{FORMAT}", account.name));
        let lock = cache.join(format!("template-{word}.lock"));
        let lock = File::create(&lock).attempt(|| format!("creating {}", lock.display()))?;
        lock.lock()
            .attempt(|| "waiting for the template's lock".to_owned())?;
        if !folder.is_dir() {
            make(&folder, account, flavour)?;
        }
        Ok(Self {
            flavour,
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

fn make(folder: &Path, account: &Account, flavour: Flavour) -> Result<()> {
    let unfinished = folder.with_extension("unfinished");
    let what = || format!("making the template {}", unfinished.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).attempt(what)?;
    }
    account.folder(&unfinished)?;
    let users = unfinished.join("users.sql");
    fs::write(&users, statements(flavour)).attempt(what)?;
    let data = format!("--datadir={}", unfinished.join("data").display());
    let users = users.display();
    // The second kind of MariaDB's root would log in by the name of the system's account, which the harness's own need not be.
    // What MySQL does for itself is no transaction of the cluster.
    let (program, arguments) = match flavour {
        Flavour::MariaDb => (
            program::find("mariadb-install-db", INSTALL)?,
            vec![
                format!("--extra-file={users}"),
                "--auth-root-authentication-method=normal".to_owned(),
                "--skip-test-db".to_owned(),
                "--skip-name-resolve".to_owned(),
            ],
        ),
        Flavour::MySql => (
            flavour.server()?,
            vec![
                "--initialize-insecure".to_owned(),
                format!("--init-file={users}"),
                "--skip-log-bin".to_owned(),
            ],
        ),
    };
    let mut all = vec!["--no-defaults", &data, flavour.log_size()];
    all.extend(arguments.iter().map(String::as_str));
    let said = account.run(&program, &all)?;
    if !unfinished.join("data/mysql").is_dir() {
        return Err(Error::Program {
            program: program.display().to_string(),
            output: said,
        });
    }
    // Copies would be one server by it.
    match fs::remove_file(unfinished.join("data/auto.cnf")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).attempt(what)?,
        _ => {}
    }
    fs::rename(&unfinished, folder).attempt(what)
}
