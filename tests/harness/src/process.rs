//! Signals to a whole server: the main process and all its children at once.
//!
//! PostgreSQL puts every child into a session of its own, so a signal to the process group would reach the main process only.
//! The main process is stopped first: then no new child can appear between listing and signalling.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{Result, error::Attempt, wait};

pub(crate) fn signal(pid: u32, signal: Signal) {
    // A process that has just ended is what the caller wanted or will notice by itself.
    let _ = kill(Pid::from_raw(pid.cast_signed()), signal);
}

/// Stops the server where it stands.
pub(crate) fn freeze(pid: u32) {
    signal(pid, Signal::SIGSTOP);
    let mut stopped = Vec::new();
    loop {
        let new: Vec<u32> = children(pid)
            .into_iter()
            .filter(|child| !stopped.contains(child))
            .collect();
        // A signal is delivered at once, but a fork under way may end after the first listing.
        if new.is_empty() && state(pid).is_none_or(|state| matches!(state, 'T' | 't' | 'Z')) {
            return;
        }
        for child in new {
            signal(child, Signal::SIGSTOP);
            stopped.push(child);
        }
    }
}

/// Lets a frozen server go on.
pub(crate) fn thaw(pid: u32) {
    for child in children(pid) {
        signal(child, Signal::SIGCONT);
    }
    signal(pid, Signal::SIGCONT);
}

/// Kills the server with all its children and returns when none is left.
pub(crate) fn kill_all(node: &str, server: &mut Child) -> Result<()> {
    let pid = server.id();
    freeze(pid);
    let family = children(pid);
    for child in &family {
        signal(*child, Signal::SIGKILL);
    }
    signal(pid, Signal::SIGKILL);
    server
        .wait()
        .attempt(|| format!("waiting for the end of {node}"))?;
    wait::until(node, "the end of its processes", String::new, || {
        Ok(family.iter().all(|child| is_gone(*child)).then_some(()))
    })
}

/// Removes the shared memory that a killed server leaves behind: the kernel has few such segments, and tests kill by the hundred.
pub(crate) fn remove_shared_memory(pid_file: &str) {
    let segment = pid_file
        .lines()
        .nth(6)
        .and_then(|line| line.split_whitespace().nth(1));
    if let Some(segment) = segment {
        let quiet = Command::new("ipcrm")
            .args(["-m", segment])
            .stderr(Stdio::null())
            .status();
        // Without the program a segment of 56 bytes stays until the next boot.
        let _ = quiet;
    }
}

fn is_gone(pid: u32) -> bool {
    let answer = kill(Pid::from_raw(pid.cast_signed()), None);
    answer.is_err() || state(pid) == Some('Z')
}

/// The process's state letter and parent; `None` when it has ended or the system has no `/proc`.
fn stat(pid: &str) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn state(pid: u32) -> Option<char> {
    stat(&pid.to_string()).map(|(state, _)| state)
}

#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |entry: fs::DirEntry| -> Option<u32> {
        let name = entry.file_name().into_string().ok()?;
        let pid = name.parse().ok()?;
        (stat(&name)?.1 == parent).then_some(pid)
    };
    entries.filter_map(pid).collect()
}

#[cfg(not(target_os = "linux"))]
fn children(parent: u32) -> Vec<u32> {
    let list = Command::new("ps")
        .args(["-A", "-o", "pid=", "-o", "ppid="])
        .output();
    let text = list.map(|list| String::from_utf8_lossy(&list.stdout).into_owned());
    let pid = |line: &str| -> Option<u32> {
        let (pid, of) = line.trim().split_once(char::is_whitespace)?;
        (of.trim().parse() == Ok(parent)).then(|| pid.parse().ok())?
    };
    text.unwrap_or_default().lines().filter_map(pid).collect()
}

/// Kills a server that is nobody's child here, with all its children.
pub(crate) fn kill_family(pid: u32) {
    freeze(pid);
    for child in children(pid) {
        signal(child, Signal::SIGKILL);
    }
    signal(pid, Signal::SIGKILL);
}
