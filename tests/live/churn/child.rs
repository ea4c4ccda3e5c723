//! The client's process, as its parent sees it: it gets an order a line, and answers each with a line.

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{client, counts::Counts};

pub struct Child {
    process: process::Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Returns when it has connected and its load has begun.
    pub fn start(client: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "churn::client::child_does_what_it_is_told",
                "--nocapture",
            ])
            .env(client::CLIENT, client)
            // Memory that is given back is given back at once, whichever thread had it.
            .env("MALLOC_ARENA_MAX", "1")
            .env("MALLOC_TRIM_THRESHOLD_", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut child = Self {
            process,
            orders,
            answers,
        };
        child.answer();
        child
    }

    /// Returns when it is done.
    pub fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        self.answer()
    }

    /// What it holds while nothing runs; its load begins anew behind it.
    pub fn counts(&mut self, wanted: Option<&Counts>) -> Counts {
        let order = wanted.map_or_else(|| "rest".to_owned(), |counts| format!("rest {counts}"));
        let counts = self.order(&order).parse().unwrap();
        self.order("load");
        counts
    }

    pub fn end(mut self) {
        self.order("end");
        assert!(self.process.wait().unwrap().success());
    }

    fn answer(&mut self) -> String {
        for line in self.answers.by_ref() {
            let line = line.unwrap();
            match line.strip_prefix(client::ANSWER) {
                Some(answer) => return answer.to_owned(),
                None => println!("the client: {line}"),
            }
        }
        panic!("the client has ended by itself");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
