//! What the server itself saw: the proof of which node was sent what.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    sync::PoisonError,
};

use super::Node;
use crate::{Result, error::Attempt, mariadb::wire::SILENT};

impl Node {
    /// Every statement that clients sent here since the start or the last [`reset_statements`](Self::reset_statements), in
    /// order, with the values of prepared ones written in. Exact and at once, also of statements that were refused; the
    /// harness's own SQL is not among them.
    pub fn statements(&self) -> Result<Vec<String>> {
        let what = || format!("reading the statements of {}", self.name());
        let mut file = File::open(self.log_of_statements()).attempt(what)?;
        let from = *self
            .0
            .counted_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(from)).attempt(what)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).attempt(what)?;
        Ok(entries(&String::from_utf8_lossy(&text)))
    }

    /// How many statements clients sent here whose text contains `part`, whatever the case of its letters.
    pub fn statements_with(&self, part: &str) -> Result<usize> {
        let part = part.to_lowercase();
        let all = self.statements()?;
        let has = |one: &&String| one.to_lowercase().contains(&part);
        Ok(all.iter().filter(has).count())
    }

    /// Starts counting statements from zero.
    pub fn reset_statements(&self) -> Result<()> {
        let what = || format!("reading the statements of {}", self.name());
        let length = std::fs::metadata(self.log_of_statements())
            .attempt(what)?
            .len();
        let from = self.0.counted_from.lock();
        *from.unwrap_or_else(PoisonError::into_inner) = length;
        Ok(())
    }

    /// The number of connections over TCP.
    pub fn connections(&self) -> Result<usize> {
        let count = self.ask(&format!("select count(*) {CLIENTS}"))?;
        Ok(count.parse().unwrap_or(0))
    }

    /// Ends all client connections over TCP.
    pub fn terminate_connections(&self) -> Result<()> {
        let ids = self.ask(&format!("select id {CLIENTS}"))?;
        for id in ids.lines() {
            // One that has ended meanwhile is what was wanted.
            let _ = self.ask(&format!("kill connection {id}"));
        }
        Ok(())
    }

    /// How many clients run a statement with this text now.
    pub fn running(&self, part: &str) -> Result<usize> {
        let part = part.replace('\'', "''");
        let sql =
            format!("select count(*) {CLIENTS} and command <> 'Sleep' and info like '%{part}%'");
        Ok(self.ask(&sql)?.parse().unwrap_or(0))
    }

    fn log_of_statements(&self) -> std::path::PathBuf {
        self.0.folder.join("statements")
    }
}

/// The users who come over TCP, without replicas.
const CLIENTS: &str = "from information_schema.processlist where user in ('app', 'boss', 'eye')";

/// The statements in a server's log: `TIME<tab>THREAD COMMAND<tab>TEXT`, where a text may go on in further lines. A prepared
/// statement is counted when it is executed, not when it is prepared.
fn entries(log: &str) -> Vec<String> {
    let mut found: Vec<(bool, String)> = Vec::new();
    for line in log.lines() {
        match entry(line) {
            Some((command, text)) => {
                found.push((matches!(command, "Query" | "Execute"), text.to_owned()));
            }
            None => {
                if let Some((_, text)) = found.last_mut() {
                    text.push('\n');
                    text.push_str(line);
                }
            }
        }
    }
    let counted = found.into_iter().filter(|(counts, _)| *counts);
    let texts = counted.map(|(_, text)| text);
    // The first word of the harness's own connections, before which their log is on.
    texts.filter(|text| text != SILENT).collect()
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once('\t')?;
    // The time stands only where it is another one than in the line before.
    let (head, text) = rest.trim_start().split_once('\t')?;
    let (thread, command) = head.trim().split_once(' ')?;
    let known = matches!(
        command,
        "Query"
            | "Execute"
            | "Prepare"
            | "Connect"
            | "Quit"
            | "Init DB"
            | "Close stmt"
            | "Ping"
            | "Reset stmt"
            | "Reset Conn"
            | "Statistics"
            | "Change user"
            | "Binlog Dump"
    );
    let is_entry = known && thread.bytes().all(|byte| byte.is_ascii_digit());
    is_entry.then_some((command, text))
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn a_log_is_read_into_statements() {
        let log = "/usr/sbin/mariadbd, Version: 10.11.19-MariaDB-log. started with:\n\
                   Tcp port: 1  Unix socket: /s\n\
                   Time\t\t    Id Command\tArgument\n\
                   261130  6:40:00\t     3 Connect\tapp@127.0.0.1 on shop using TCP/IP\n\
                   \t\t     3 Query\tSELECT 1\n\
                   \t\t     3 Prepare\tSELECT ?\n\
                   \t\t     3 Execute\tSELECT\n 'a\tb'\n\
                   261130  6:40:01\t    12 Query\tCOMMIT\n\
                   \t\t    12 Quit\t\n";
        assert_eq!(entries(log), ["SELECT 1", "SELECT\n 'a\tb'", "COMMIT"]);
    }
}
