//! `sealane top`: a cluster's nodes, what they are given and what happens, on a screen that goes on by itself.
//!
//! A look is taken every second, from an application's metrics or from probes of its own; what is drawn comes of the looks alone
//! ([`board`]), so that both ways show the same screen.

mod board;
mod draw;
mod look;
mod probed;
mod scraped;
mod screen;
#[cfg(test)]
mod tests;

use std::{io, process::ExitCode, time::Duration};

use clap::Args;

use self::{board::Board, look::Look, probed::Probed, scraped::Scraped, screen::Screen};

/// The arguments of `sealane top`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where an application tells its metrics in Prometheus' text form, as http://127.0.0.1:9000/metrics.
    #[arg(long)]
    metrics: Option<String>,

    /// Which cluster of the application's, by the label `cluster`, where it has several.
    #[arg(long, requires = "metrics")]
    cluster: Option<String>,

    /// What stands before the names of the variables, as in BILLING_DATABASE_URL: `BILLING_`.
    #[arg(long, default_value = "", conflicts_with = "metrics")]
    prefix: String,

    /// The time between two looks, as 500ms or 5s.
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    every: Duration,

    /// One screen of two looks as plain text, and the end.
    #[arg(long)]
    once: bool,

    /// No colour; so it is with the variable NO_COLOR.
    #[arg(long)]
    no_color: bool,
}

impl Arguments {
    fn is_plain(&self) -> bool {
        self.no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    }
}

/// Where looks come from.
enum Source {
    Scraped(Scraped),
    Probed(Box<Probed>),
}

impl Source {
    async fn open(arguments: &Arguments) -> io::Result<Self> {
        match &arguments.metrics {
            Some(url) => Scraped::new(url, arguments.cluster.clone()).map(Self::Scraped),
            None => Probed::open(&arguments.prefix)
                .await
                .map(|probed| Self::Probed(Box::new(probed))),
        }
    }

    async fn look(&mut self) -> Result<Look, String> {
        match self {
            Self::Scraped(scraped) => scraped.look().await,
            Self::Probed(probed) => Ok(probed.look()),
        }
    }
}

/// Watches until it is ended, or draws one screen.
pub(crate) fn run(arguments: &Arguments) -> io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut source = Source::open(arguments).await?;
        match arguments.once {
            true => once(arguments, &mut source).await,
            false => watch(arguments, &mut source).await,
        }
    })
}

async fn once(arguments: &Arguments, source: &mut Source) -> io::Result<ExitCode> {
    let mut board = Board::default();
    for last in [false, true] {
        board.take(source.look().await);
        if !last {
            tokio::time::sleep(arguments.every).await;
        }
    }
    screen::print(&board)?;
    Ok(ExitCode::from(u8::from(board.problem().is_some())))
}

async fn watch(arguments: &Arguments, source: &mut Source) -> io::Result<ExitCode> {
    let mut board = Board::default();
    let mut screen = Screen::open(arguments.is_plain())?;
    loop {
        board.take(source.look().await);
        screen.draw(&board)?;
        if screen.is_ended_within(arguments.every, &board).await? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
