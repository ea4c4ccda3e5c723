//! A second application process, which knows of this one's writes by their bookmarks only.

use std::{process::Stdio, sync::Arc};

use sea_orm::DbErr;
use sealane::{Bookmark, Consistency, RoutedConnection};
use sealane_harness::Cluster;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
};

use super::sessions::read;

/// The child's URLs, the primary's first; set by its parent only.
const URLS: &str = "SEALANETEST_HISTORY_URLS";

#[derive(Clone)]
pub struct OtherProcess(Arc<Mutex<Pipes>>);

struct Pipes {
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Killed with the parent's handle.
    _child: Child,
}

impl OtherProcess {
    pub fn start(cluster: &Cluster) -> Self {
        let urls: Vec<String> = cluster.nodes().iter().map(|node| node.url()).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "history::other_process::child_reads_with_bookmarks",
                "--nocapture",
            ])
            .env(URLS, urls.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self(Arc::new(Mutex::new(Pipes {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        })))
    }

    /// Reads a key there, with this bookmark.
    pub async fn read(&self, key: usize, bookmark: &Bookmark) -> Result<i64, DbErr> {
        let mut pipes = self.0.lock().await;
        let question = format!("{key} {bookmark}\n");
        pipes
            .questions
            .write_all(question.as_bytes())
            .await
            .unwrap();
        loop {
            let line = pipes.answers.next_line().await.unwrap();
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
