//! `sealane top` in a real terminal of 80 columns and 24 lines, while the primary is lost.

use std::process::{Command, Output};

use sealane_harness::Cluster;

use crate::place::{own_cluster, until};

const INSTALL: &str = "apt-get install -y --no-install-recommends tmux";

/// A terminal of its own; the server that draws it goes with it.
struct Terminal(String);

impl Terminal {
    /// Begins the command in it, with these variables.
    fn run(name: &str, variables: &[(&str, String)], command: &str) -> Self {
        let terminal = Self(format!("sealane-{name}-{}", std::process::id()));
        let mut begin = Command::new("tmux");
        begin.args(["-f", "/dev/null", "-L", &terminal.0]);
        begin.args(["new-session", "-d", "-x", "80", "-y", "24"]);
        for (key, value) in variables {
            begin.args(["-e", &format!("{key}={value}")]);
        }
        let begun = begin.arg(command).output();
        let begun = begun.unwrap_or_else(|err| panic!("no tmux ({err}): {INSTALL}"));
        assert!(begun.status.success(), "{begun:?}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.0]).args(arguments).output().unwrap()
    }

    /// What stands on it; nothing once its command has ended.
    fn shows(&self) -> String {
        let shown = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&shown.stdout).into_owned()
    }

    async fn until(&self, what: &str) -> String {
        until(what, async || self.shows().contains(what)).await;
        self.shows()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn urls(cluster: &Cluster) -> [(&'static str, String); 2] {
    let named = |node: &sealane_harness::Node| format!("{}?name={}", node.url(), node.name());
    let replicas: Vec<_> = cluster.standbys().iter().map(named).collect();
    [
        ("DATABASE_URL", named(cluster.primary())),
        ("DATABASE_REPLICA_URLS", replicas.join(",")),
    ]
}

#[tokio::test]
async fn a_terminal_shows_the_nodes_and_a_failover_as_it_happens() {
    let cluster = own_cluster(1);
    let (primary, standby) = (cluster.primary(), &cluster.standbys()[0]);
    let command = concat!(env!("CARGO_BIN_EXE_sealane"), " top --every 200ms");
    let mut variables = urls(&cluster).to_vec();
    variables.push(("NO_COLOR", "1".to_owned()));
    let terminal = Terminal::run("top", &variables, command);
    let is_well = format!("primary {}", primary.name());
    let shown = terminal.until(&is_well).await;
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let row = |shown: &str, name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default().to_owned()
    };
    until("the standby to be told as well", async || {
        let row = row(&terminal.shows(), standby.name());
        row.contains("replica") && row.contains(" ok ")
    })
    .await;

    primary.kill().unwrap();
    terminal.until("NO PRIMARY").await;
    standby.promote().unwrap();
    let is_over = format!("{} is the primary now", standby.name());
    let shown = terminal.until(&is_over).await;
    assert!(shown.contains("what happened"), "{shown}");
    assert!(row(&shown, primary.name()).contains("silent"), "{shown}");

    terminal.tmux(&["send-keys", "q"]);
    until("the command to end", async || terminal.shows().is_empty()).await;
}
