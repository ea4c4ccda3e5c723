//! The command line of sealane: what the library knows, without writing a program.
//!
//! Output goes through a locked standard output, never through the print macros, so that a reader who closes the pipe
//! ends the command quietly instead of with a panic.
#![forbid(unsafe_code)]

mod doctor;
mod intent;
mod top;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Client-side read/write splitting for SeaORM.
#[derive(Debug, Parser)]
#[command(name = "sealane", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a statement needs, why, and which part of it decided.
    Intent(intent::Arguments),
    /// Look at the cluster that the environment describes, as an application would meet it.
    ///
    /// Ends with 0 where nothing is wrong, with 1 where something is (with --strict also where something wants a look), with
    /// 2 where the command was written wrongly.
    Doctor(doctor::Arguments),
    /// Watch a cluster: its nodes, their lag, what they are given, and what happens.
    ///
    /// By what an application tells in its metrics (--metrics), or else by asking the nodes that the environment names. `q` ends it.
    Top(top::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Intent(arguments) => {
            let (input, output) = (io::stdin().lock(), io::stdout().lock());
            intent::run(&arguments, input, output).map(|()| ExitCode::SUCCESS)
        }
        Command::Doctor(arguments) => doctor::run(&arguments, io::stdout().lock()),
        Command::Top(arguments) => top::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If even this cannot be written, the exit code is all that is left.
            let _ = writeln!(io::stderr(), "sealane: {error}");
            ExitCode::FAILURE
        }
    }
}
