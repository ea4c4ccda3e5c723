//! A second application process, which knows of this one's writes by their bookmarks only.

use std::{process::Stdio, sync::Arc};

use sea_orm::DbErr;
use sealane::{Bookmark, Consistency, RoutedConnection};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use super::{Names, sessions::read};

/// The child's URLs, the primary's first; set by its parent only.
const URLS: &str = "SEALANETEST_HISTORY_URLS";

#[derive(Clone)]
pub struct OtherProcess(Arc<Mutex<Pipes>>);

/// It is killed and started again after so many reads.
const LIFE: u64 = 400;

struct Pipes {
    urls: String,
    reads: u64,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Killed with the parent's handle.
    _child: Child,
}

impl OtherProcess {
    pub fn start(names: &Names) -> Self {
        let urls = format!("{} {}", names.primary, names.replicas.join(" "));
        Self(Arc::new(Mutex::new(Pipes::start(urls))))
    }

    /// Reads a key there, with this bookmark.
    pub async fn read(&self, key: usize, bookmark: &Bookmark) -> Result<i64, DbErr> {
        let mut pipes = self.0.lock().await;
        if pipes.reads >= LIFE {
            // The old one is killed when it is dropped; the new one has heard of nothing.
            *pipes = Pipes::start(std::mem::take(&mut pipes.urls));
        }
        pipes.read(key, bookmark).await
    }
}

impl Pipes {
    fn start(urls: String) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "history::other_process::child_reads_with_bookmarks",
                "--nocapture",
            ])
            .env(URLS, &urls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            urls,
            reads: 0,
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        }
    }

    async fn read(&mut self, key: usize, bookmark: &Bookmark) -> Result<i64, DbErr> {
        self.reads += 1;
        let question = format!("{key} {bookmark}\n");
        self.questions.write_all(question.as_bytes()).await.unwrap();
        loop {
            let line = self.answers.next_line().await.unwrap();
            let line = line.expect("the other process lives");
            // The test's own output stands around the answers, sometimes on the same line.
            if let Some((_, answer)) = line.split_once("answer=") {
                return answer.parse().map_err(|_| DbErr::Custom(answer.to_owned()));
            }
        }
    }
}

/// Does nothing unless the checker starts it.
#[tokio::test]
async fn child_reads_with_bookmarks() {
    let Ok(urls) = std::env::var(URLS) else {
        return;
    };
    let mut urls = urls.split(' ');
    let db = RoutedConnection::builder()
        .primary(urls.next().unwrap())
        .replicas(urls)
        .diversion_limit(100)
        .consistency(Consistency::ReadYourWrites)
        .connect()
        .await
        .unwrap();
    let mut questions = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = questions.next_line().await.unwrap() {
        let (key, bookmark) = line.split_once(' ').unwrap();
        let session = db.session_from(&bookmark.parse().unwrap());
        match read(&session, key.parse().unwrap()).await {
            Ok(value) => println!("answer={value}"),
            Err(err) => println!("answer={}", err.to_string().replace('\n', " ")),
        }
    }
}
