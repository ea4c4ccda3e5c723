//! The way back of a node that has written alone.

use std::{fs, io, path::Path};

use super::{Node, Stop};
use crate::{Error, Result, error::Attempt};

impl Node {
    /// Rejoins this node, usually an old primary, as a standby of `other`: what it wrote alone is gone. By `pg_rewind`; where
    /// there is none for this version of the server, or it cannot (a killed server's recovery may have recycled the log that it
    /// looks for), by a fresh copy of the other's data.
    pub fn rewind_to(&self, other: &Self) -> Result<()> {
        // Before its first checkpoint on the new timeline a server's control file still names the old one: then pg_rewind 15
        // finds nothing to do, and this node would serve its diverged rows for ever.
        other.ask("checkpoint")?;
        self.stop(Stop::Fast)?;
        let setup = &self.0.setup;
        match setup.binaries.program_for_data("pg_rewind", &setup.account) {
            Some(program) => match self.rewind(&program, other) {
                Err(Error::Program { .. }) => self.copy_data(other)?,
                end => end?,
            },
            None => self.copy_data(other)?,
        }
        self.become_standby_of(other.addr())?;
        self.start()?;
        self.wait_streaming()
    }

    fn rewind(&self, program: &Path, other: &Self) -> Result<()> {
        let data = self.0.folder.join("data");
        let source = other.0.folder.display();
        let source = format!(
            "host={source} port={} user=postgres dbname=postgres",
            other.port()
        );
        let arguments = [
            "--no-sync",
            "--source-server",
            &source,
            "--target-pgdata",
            &data.to_string_lossy(),
        ];
        self.0.setup.account.run(program, &arguments).map(drop)
    }

    /// A base backup by the server's own functions, which every package has; `pg_basebackup` stands beside `pg_rewind`, or is
    /// missing as well. The server runs `cp`, since the backup ends with the connection that began it, and the statements sent
    /// here at once share one.
    fn copy_data(&self, other: &Self) -> Result<()> {
        let data = self.0.folder.join("data");
        let what = || format!("copying data to {}", data.display());
        fs::remove_dir_all(&data).attempt(what)?;
        let (begin, end) = match self.0.setup.binaries.major() {
            ..15 => (
                "pg_start_backup('copy', true, false)",
                "pg_stop_backup(false, false)",
            ),
            _ => ("pg_backup_start('copy', true)", "pg_backup_stop(false)"),
        };
        let from = other.0.folder.join("data");
        let (from, to) = (from.display(), data.display());
        // What goes away meanwhile is complained of and not needed.
        let copy = format!("cp -a {from} {to} 2>/dev/null || test -e {to}/PG_VERSION");
        let sql = format!(
            "select {begin}; copy (select '') to program '{copy}'; select labelfile from {end}"
        );
        let rows = other.rows("postgres", &sql)?;
        let label = rows.last().and_then(|row| row.first().cloned().flatten());
        fs::write(data.join("backup_label"), label.unwrap_or_default()).attempt(what)?;
        self.0.setup.account.own(&data.join("backup_label"))?;
        for running in ["postmaster.pid", "postmaster.opts"] {
            match fs::remove_file(data.join(running)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).attempt(what);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
