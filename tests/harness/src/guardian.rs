//! The shell that cleans up after us if we cannot: it waits for the end of a pipe that only this process holds.
//!
//! One line on the pipe means that all was cleaned up; an end without it means that we were killed. Then the shell kills the
//! servers found in the folder, frozen ones too, and removes the folder. It looks twice, since a server may just have been
//! starting, and it trusts the servers' own pid files only, never a remembered number that may belong to somebody else by now.
//! A server whose own file comes late (MariaDB's, after its recovery) has one of ours, and counts only if its command names the
//! folder.

use std::{
    fs,
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{Result, account, error::Attempt};

const SCRIPT: &str = r#"
trap '' HUP INT TERM QUIT
read -r _ && exit 0
children() {
    if [ -r /proc/self/stat ]; then
        for stat in /proc/[0-9]*/stat; do
            { read -r line < "$stat"; } 2>/dev/null || continue
            pid=${line%% *}
            set -- "$1" ${line##*) }
            [ "$3" = "$1" ] && echo "$pid"
        done
    else
        ps -A -o pid= -o ppid= | while read -r pid parent; do [ "$parent" = "$1" ] && echo "$pid"; done
    fi
}
sweep() {
    for file in "$0"/*/data/postmaster.pid; do
        [ -r "$file" ] || continue
        segment=
        { read -r pid; for n in 2 3 4 5 6; do read -r _; done; read -r _ segment; } < "$file"
        kill -STOP "$pid" || continue
        kill -KILL $(children "$pid") "$pid"
        sleep 0.1
        [ -n "$segment" ] && ipcrm -m "$segment"
        rm -f "$file"
    done
    for file in "$0"/*/server.pid; do
        [ -r "$file" ] || continue
        read -r pid < "$file"
        is_ours "$pid" && kill -KILL "$pid"
        rm -f "$file"
    done
}
is_ours() {
    grep -qaF "$0/" "/proc/$1/cmdline" || ps -o command= -p "$1" | grep -qF "$0/"
}
sweep; sleep 0.3; sweep
rm -rf "$0"
"#;

/// A cluster's folder with its guardian; one sub-folder per node.
#[derive(Debug)]
pub(crate) struct Guarded {
    shell: Child,
    folder: TempDir,
}

impl Guarded {
    pub(crate) fn folder() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sealane-")
            .tempdir_in(account::scratch());
        let folder = folder.attempt(|| "making the cluster's folder".to_owned())?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).arg(folder.path());
        shell.current_dir("/").process_group(0);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let shell = shell
            .spawn()
            .attempt(|| "starting the guardian shell".to_owned())?;
        Ok(Self { shell, folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the folder and sends the guardian home. Only for when no server runs in it any more; otherwise a plain drop
    /// leaves the whole work to the guardian.
    pub(crate) fn remove(&mut self) {
        if fs::remove_dir_all(self.path()).is_ok()
            && let Some(pipe) = &mut self.shell.stdin
        {
            // If it does not hear us it sweeps an empty place.
            let _ = pipe.write_all(b"done\n");
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
