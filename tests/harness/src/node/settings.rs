//! A node's configuration: one generated file outside the data folder, rewritten as a whole.
//!
//! `alter system` was rejected: its file lies among the data, and `pg_rewind` replaces it by that of another node.

use std::{collections::BTreeMap, fs};

use nix::sys::signal::Signal;

use super::Node;
use crate::{Result, error::Attempt, process};

/// Names and values, the latest word wins.
pub(super) type Settings = BTreeMap<String, String>;

/// What every server gets. Safe against crashes of the server, not of the machine; quick to follow, and small.
/// `full_page_writes` stays on: `pg_rewind` refuses otherwise. Autovacuum would let the log position move by itself.
const COMMON: [(&str, &str); 17] = [
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("wal_log_hints", "on"),
    ("wal_level", "replica"),
    ("hot_standby", "on"),
    ("wal_keep_size", "256MB"),
    ("max_connections", "100"),
    ("max_wal_senders", "10"),
    ("shared_buffers", "16MB"),
    // A standby that was pointed elsewhere would otherwise wait for five seconds.
    ("wal_retrieve_retry_interval", "100ms"),
    ("wal_receiver_status_interval", "1s"),
    ("recovery_target_timeline", "latest"),
    ("autovacuum", "off"),
    // Inside the data folder, so that a killed server leaves nothing in the system's memory.
    ("dynamic_shared_memory_type", "mmap"),
    ("log_line_prefix", "%m [%p] %e %a: "),
    ("log_timezone", "UTC"),
    ("timezone", "UTC"),
];

impl Node {
    /// Changes a setting and lets the running server read it. One that needs a restart takes effect at the next start.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.settings().insert(name.to_owned(), value.to_owned());
        self.configure()
    }

    /// Puts a setting back to its default.
    pub fn reset(&self, name: &str) -> Result<()> {
        self.settings().remove(name);
        self.configure()
    }

    pub(crate) fn preset<'a>(&self, settings: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let mut own = self.settings();
        own.extend(
            settings
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }

    /// Writes the node's files and tells the server, if it runs, to read them.
    pub(crate) fn configure(&self) -> Result<()> {
        let folder = &self.0.folder;
        let mut text = String::new();
        let socket = folder.display().to_string();
        let port = self.port().to_string();
        let own = [
            ("cluster_name", self.name()),
            ("port", &port),
            ("unix_socket_directories", &socket),
        ];
        let library = self.0.setup.template.counts_statements;
        let library = library.then_some(("shared_preload_libraries", "pg_stat_statements"));
        let fixed = COMMON.into_iter().chain(own).chain(library);
        let settings = self.settings();
        let custom = settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.chain(custom) {
            text += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        drop(settings);
        let clients = self.clients(self.0.setup.method);
        let hba =
            format!("local all all trust\nhost replication all 127.0.0.1/32 trust\n{clients}\n");
        for (name, text) in [("node.conf", text), ("hba.conf", hba)] {
            let path = folder.join(name);
            // The server may read at any moment, so it must never see half a file.
            let whole = folder.join(format!("{name}.new"));
            let written = fs::write(&whole, text).and_then(|()| fs::rename(&whole, &path));
            written.attempt(|| format!("writing {}", path.display()))?;
            self.0.setup.account.own(&path)?;
        }
        if let Some(server) = self.0.server.started().as_ref() {
            process::signal(server.child.id(), Signal::SIGHUP);
        }
        Ok(())
    }
}
