//! STAND-IN for the harness: one PostgreSQL in a folder of its own, stopped and removed with this value.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Result;

pub(crate) struct PrivatePostgres {
    binaries: PathBuf,
    folder: TempDir,
    port: u16,
    user: Option<u32>,
}

impl PrivatePostgres {
    pub(crate) fn start() -> Result<Self> {
        let binaries = binaries()?;
        let folder = tempfile::tempdir()?;
        // The server refuses root; `nobody` needs no account of ours.
        let user = (folder.path().metadata()?.uid() == 0).then_some(65_534);
        chown(folder.path(), user, user)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self {
            binaries,
            folder,
            port,
            user,
        };
        server.run(
            "initdb",
            &[
                "--auth=trust",
                "--username=bench",
                "--no-sync",
                "--locale=C",
                "-E",
                "UTF8",
            ],
        )?;
        let socket = server.folder.path().display();
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={socket} -c fsync=off \
             -c synchronous_commit=off -c autovacuum=off -c max_connections=150"
        );
        server.run(
            "pg_ctl",
            &["start", "--wait", "--silent", "-l", "log", "-o", &options],
        )?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://bench@127.0.0.1:{}/postgres", self.port)
    }

    fn run(&self, binary: &str, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(self.binaries.join(binary));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(arguments);
        command
            .current_dir(self.folder.path())
            .stdout(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let status = command.status()?;
        status
            .success()
            .then_some(())
            .ok_or_else(|| format!("{binary}: {status}").into())
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // Nothing can be done about an error here; the folder goes in any case.
        drop(self.run("pg_ctl", &["stop", "--silent", "-m", "immediate"]));
    }
}

fn binaries() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")?.filter_map(std::result::Result::ok);
    let newest = versions.map(|version| version.path().join("bin")).max();
    newest.ok_or_else(|| "no PostgreSQL: apt-get install postgresql".into())
}
