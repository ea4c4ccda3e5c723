//! What an application notices when its primary dies: how long no write gets through, and which errors it sees.
//!
//! `cargo bench --bench failover [-- [--short] [--rounds N] [--freezes N] [--seed N]]`. A primary and two streaming
//! standbys. In each round a client writes every 5 ms and reads in 8 tasks; the primary is killed (or, apart, frozen),
//! the standby that has received most is promoted at once, the other follows it, and the old primary rejoins with
//! pg_rewind. Beside it a raw connection to each standby tries to write every 5 ms: the first success is the floor,
//! which no client can beat. Every write has a number of its own, so that a lost one and one that was executed twice
//! are found. The last line is for programs.
#![allow(clippy::print_stdout, reason = "a bench is there to print")]

mod arguments;
#[path = "failover/client.rs"]
mod client;
#[path = "failover/floor.rs"]
mod floor;
#[path = "failover/options.rs"]
mod options;
#[path = "failover/round.rs"]
mod round;

use sealane_harness::Cluster;

use client::Client;
use options::Options;
use round::{End, Round};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> Result<()> {
    let options = Options::read()?;
    println!("seed {}", options.seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<()> {
    let cluster = Cluster::builder()
        .standbys(2)
        .own_identity()
        .setting("checkpoint_timeout", "1h")
        .start()?;
    let client = Client::connect(&cluster).await?;
    let mut primary = 0;
    println!("round  what    floor ms  outage ms  errors of writes and reads");
    let (mut killed, mut frozen): (Vec<Round>, Vec<Round>) = Default::default();
    for number in 0..options.rounds + options.freezes {
        let end = match number < options.rounds {
            true => End::Kill,
            false => End::Freeze,
        };
        let round = round::run(&cluster, &client, primary, end).await?;
        println!("{number:>5}  {round}");
        primary = round.primary;
        match end {
            End::Kill => killed.push(round),
            End::Freeze => frozen.push(round),
        }
    }
    let seen = client.end().await;
    let (lost, twice) = client::check(&cluster.nodes()[primary], &seen)?;
    println!("{seen}");
    for (name, rounds) in [("kills", &killed), ("freezes", &frozen)] {
        if !rounds.is_empty() {
            println!(
                "{name} over the floor of the same round: {}",
                Over::of(rounds)
            );
        }
    }
    if !frozen.is_empty() {
        let figures = Figures::of(&frozen);
        println!("freezes rounds={} {figures}", frozen.len());
    }
    println!(
        "failover rounds={} {} read_errors={} write_errors={} unknown={} lost={lost} twice={twice}",
        killed.len(),
        Figures::of(&killed),
        seen.read_errors(),
        seen.write_errors(),
        seen.unknown(),
    );
    Ok(())
}

/// The outages of some rounds, in milliseconds.
struct Figures {
    floor: f64,
    median: f64,
    p90: f64,
    max: f64,
    floor_max: f64,
}

fn sorted(rounds: &[Round], of: fn(&Round) -> f64) -> Vec<f64> {
    let mut all: Vec<f64> = rounds.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The value below which this share of them lies, in percent.
fn at(all: &[f64], share: usize) -> f64 {
    let place = (all.len() * share).div_ceil(100).max(1) - 1;
    all.get(place).copied().unwrap_or(f64::NAN)
}

/// How much longer than the floor of its own round an outage was: promotions take unlike times.
struct Over {
    median: f64,
    p90: f64,
    max: f64,
}

impl Over {
    fn of(rounds: &[Round]) -> Self {
        let over = sorted(rounds, |round| round.outage - round.floor);
        let [median, p90, max] = [50, 90, 100].map(|share| at(&over, share));
        Self { median, p90, max }
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, p90, max } = self;
        write!(f, "median_ms={median:.1} p90_ms={p90:.1} max_ms={max:.1}")
    }
}

impl Figures {
    fn of(rounds: &[Round]) -> Self {
        let floors = sorted(rounds, |round| round.floor);
        let outages = sorted(rounds, |round| round.outage);
        Self {
            floor: at(&floors, 50),
            median: at(&outages, 50),
            p90: at(&outages, 90),
            max: at(&outages, 100),
            floor_max: at(&floors, 100),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            floor,
            median,
            p90,
            max,
            floor_max,
        } = self;
        write!(
            f,
            "floor_ms={floor:.1} median_ms={median:.1} p90_ms={p90:.1} max_ms={max:.1} floor_max_ms={floor_max:.1}"
        )
    }
}
