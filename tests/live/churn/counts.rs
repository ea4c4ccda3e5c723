//! What a process holds, as the kernel and the runtime tell it.

use std::{collections::BTreeMap, fmt, fs, str::FromStr};

use tokio::runtime::Handle;

/// One count of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    pub tasks: usize,
    pub sockets: usize,
    /// All that is open, sockets too.
    pub files: usize,
    pub threads: usize,
    /// What is resident and not a file's.
    pub memory_kib: u64,
}

impl Counts {
    /// Those of this process.
    pub fn now() -> Self {
        let (open, status) = (open(), fs::read_to_string("/proc/self/status").unwrap());
        let number = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.unwrap().parse().unwrap()
        };
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            sockets: open.iter().filter(|to| to.starts_with("socket:")).count(),
            files: open.len(),
            threads: usize::try_from(number("Threads:")).unwrap(),
            memory_kib: number("RssAnon:"),
        }
    }

    /// Whether nothing that is counted by the piece has grown. One for each node may come and go: a node that was the
    /// primary may have its pool for the other role open still, or not yet.
    pub fn is_flat(&self, before: &Self) -> bool {
        const NODES: usize = 3;
        let within = |now: usize, before: usize| now <= before + NODES;
        within(self.tasks, before.tasks)
            && within(self.sockets, before.sockets)
            && within(self.files, before.files)
            && self.threads <= before.threads
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tasks,
            sockets,
            files,
            threads,
            memory_kib,
        } = self;
        write!(
            f,
            "{tasks} tasks {sockets} sockets {files} files {threads} threads {memory_kib} KiB"
        )
    }
}

impl FromStr for Counts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
        let all = || -> Option<Self> {
            Some(Self {
                tasks: number(0)?,
                sockets: number(2)?,
                files: number(4)?,
                threads: number(6)?,
                memory_kib: number(8)?.try_into().ok()?,
            })
        };
        all().ok_or_else(|| text.to_owned())
    }
}

/// What each open file is.
fn open() -> Vec<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    // One that has been closed meanwhile is none, and so is the folder that is being read.
    let to = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    to.map(|to| to.to_string_lossy().into_owned()).collect()
}

/// To how many sockets of this process each port of this machine is the other end: for whoever asks what has grown.
pub fn sockets_by_port() -> BTreeMap<u16, usize> {
    let open = open();
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut ports = BTreeMap::new();
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, remote, _, _, _, _, _, _, inode, ..] = words[..] else {
            continue;
        };
        let port = remote.split(':').nth(1).unwrap_or_default();
        if open.contains(&format!("socket:[{inode}]")) {
            let port = u16::from_str_radix(port, 16).unwrap_or_default();
            *ports.entry(port).or_default() += 1;
        }
    }
    ports
}
