//! `sealane intent`: judges a statement, or one a line.
//!
//! One line in, one line out, in the same order, whatever the line holds: a line that is no statement is judged like a
//! text that is not understood, so that a caller can pair the answers with the questions.

use std::io::{self, BufRead, Write};

use clap::{Args, ValueEnum};
use sea_orm::DbBackend;
use sealane::{Intent, Reason, classify};
use serde_json::{Value, json};

/// The arguments of `sealane intent`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Whose grammar the statement is read by.
    #[arg(long, value_enum)]
    backend: Backend,

    /// Read one JSON object a line, `{"sql": "…"}`, and print one a line.
    #[arg(long, conflicts_with = "sql")]
    json: bool,

    /// The statement; without it, standard input is read to its end.
    sql: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    #[value(alias = "postgresql")]
    Postgres,
    #[value(alias = "mariadb")]
    Mysql,
    Sqlite,
}

impl From<Backend> for DbBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Postgres => Self::Postgres,
            Backend::Mysql => Self::MySql,
            Backend::Sqlite => Self::Sqlite,
        }
    }
}

/// Judges what the arguments or the input hold.
pub(crate) fn run(
    arguments: &Arguments,
    mut input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let backend = arguments.backend.into();
    if arguments.json {
        return lines(backend, input, output);
    }
    let verdict = match &arguments.sql {
        Some(sql) => classify(backend, sql),
        None => {
            let mut text = Vec::new();
            input.read_to_end(&mut text)?;
            classify(backend, &String::from_utf8_lossy(&text))
        }
    };
    writeln!(output, "intent: {}", verdict.intent())?;
    writeln!(output, "reason: {}", verdict.reason())?;
    writeln!(output, "decided by: {}", verdict.part())?;
    output.flush()
}

fn lines(backend: DbBackend, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        // Bytes, not text: what is no UTF-8 is a bad statement, not the end.
        let object: Option<Value> = serde_json::from_slice(&line).ok();
        let sql = object
            .as_ref()
            .and_then(|object| object.get("sql")?.as_str());
        let (intent, reason) = match sql {
            Some(sql) => {
                let verdict = classify(backend, sql);
                (verdict.intent(), verdict.reason())
            }
            None => (Intent::Primary, Reason::Unparsed),
        };
        writeln!(
            output,
            "{}",
            json!({ "intent": intent.as_str(), "reason": reason.as_str() })
        )?;
        output.flush()?;
    }
}
